// What each SQLSTATE means to the store. No database.

import assert from 'node:assert/strict'
import * as sqlstate from '../../src/sqlstate.ts'
import { promises } from '../support/promise.ts'

const test = promises('sqlstate')

// A code of every class that the store meets, or that could be mistaken for another: the documentation of
// PostgreSQL 18, appendix A.
const CODES = [
  ...[
    '00000',
    '08000',
    '08001',
    '08003',
    '08004',
    '08006',
    '08007',
    '08P01',
    '0A000',
    '0B000',
    '22001',
    '22021',
  ],
  ...[
    '22P02',
    '2201E',
    '23502',
    '23503',
    '23505',
    '25001',
    '25006',
    '25P02',
    '26000',
    '28000',
    '28P01',
    '3D000',
  ],
  ...[
    '3F000',
    '40001',
    '40003',
    '40P01',
    '42501',
    '42601',
    '42703',
    '42710',
    '42804',
    '42883',
    '42P01',
    '42P07',
  ],
  ...[
    '53100',
    '53200',
    '53300',
    '54000',
    '55000',
    '55006',
    '55P03',
    '57014',
    '57P01',
    '57P02',
    '57P03',
    '57P04',
  ],
  ...['57P05', '58000', '58030', 'P0001', 'XX000', 'XX001'],
  // Not of PostgreSQL, with what stands in others in another place.
  ...['ECONNRESET', 'STORE_TIMEOUT', 'E0808', 'E0A42', 'E2522', '90842', 'HV042', ''],
]

const those = (holds: (code: string) => boolean) => CODES.filter(holds).join(' ')

test('a connection, a restart, a failover, a deadlock and a lost race are tried again', () => {
  assert.equal(
    those(sqlstate.isTransient),
    '08000 08001 08003 08006 08007 2201E 25006 26000 40001 40003 40P01 53300 57P01 57P02 57P03 57P05',
  )
})

test('what concerns a whole statement is not looked for in single sessions', () => {
  assert.equal(
    those(sqlstate.isOfTheStatement),
    '08000 08001 08003 08004 08006 08007 08P01 0A000 25001 25006 25P02 26000 28000 28P01 3D000 3F000 ' +
      '42601 42703 42883 42P01 53300 55P03 57P01 57P02 57P03 57P04 57P05',
  )
})

test('a feature that the server lacks is told by class 0A or 42', () => {
  assert.equal(those(sqlstate.isUnsupported), '0A000 42501 42601 42703 42710 42804 42883 42P01 42P07')
})

test('a delete is refused for one of its rows by a constraint or a trigger, or takes too long with all', () => {
  assert.equal(
    those(sqlstate.isOfARow),
    '00000 08000 08001 08003 08004 08006 08007 08P01 0B000 22001 22021 22P02 2201E 23502 23503 23505 ' +
      '28000 28P01 3D000 40001 40003 40P01 54000 55000 55006 55P03 57014 58000 58030 P0001 ' +
      'ECONNRESET STORE_TIMEOUT E0808 E0A42 E2522 90842 HV042 ',
  )
})

test('a name is taken by a table, an index, or a row of the catalogue', () => {
  assert.equal(those(sqlstate.isTaken), '23505 42710 42P07')
})

test('the type of the column `sid` is in question where an operator or a type is wrong', () => {
  assert.equal(those(sqlstate.isOfSidType), '42804 42883')
})

test('a sid is refused for its value, or where its type has no operator', () => {
  assert.equal(those(sqlstate.isInvalidValue), '22001 22021 22P02 2201E')
  assert.equal(those(sqlstate.isRefusedSid), '22001 22021 22P02 2201E 42883')
})

test('no message passes on of a value, a constraint, a trigger, or what is not known', () => {
  assert.equal(
    those(sqlstate.hasNoData),
    '08000 08001 08003 08004 08006 08007 08P01 0A000 25001 25006 25P02 26000 28000 28P01 3D000 3F000 ' +
      '40001 40003 40P01 42501 42601 42703 42710 42804 42883 42P01 42P07 53100 53200 53300 ' +
      '55000 55006 55P03 57014 57P01 57P02 57P03 57P04 57P05 58000 58030',
  )
})

test('the codes that other rooms compare with are those of PostgreSQL', () => {
  const { LOCK_NOT_AVAILABLE, READ_ONLY, UNDEFINED_TABLE, FEATURE_NOT_SUPPORTED } = sqlstate
  assert.deepEqual(
    [LOCK_NOT_AVAILABLE, READ_ONLY, UNDEFINED_TABLE, FEATURE_NOT_SUPPORTED],
    ['55P03', '25006', '42P01', '0A000'],
  )
  assert.deepEqual([sqlstate.STATEMENT_LATE, sqlstate.PROTOCOL_VIOLATION], ['2201E', '08P01'])
})
