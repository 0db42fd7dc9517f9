// The user's id in a session, and the SQL that looks for it.

import assert from 'node:assert/strict'
import {
  checkDestroyOptions,
  checkUserId,
  isOfUser,
  lastToEndFirst,
  sidsToDestroy,
} from '../../src/session/user.ts'
import { names } from '../../src/table/names.ts'
import type { Row } from '../../src/table/row.ts'
import type { Table } from '../../src/table/table.ts'
import { userIndex } from '../../src/table/user-index.ts'
import { UserRows } from '../../src/table/user-rows.ts'
import { failure } from '../support/failure.ts'
import { promises } from '../support/promise.ts'

const test = promises('user')
const path = ['passport', 'user']

test('a number, a bigint and their text are one user', () => {
  for (const id of [42, 42n, '42']) assert.equal(checkUserId(id), '42')
})

test('what is no id is a TypeError that does not repeat it', () => {
  const nobody = [
    undefined,
    null,
    '',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    {},
    [],
    ['42'],
    true,
    Symbol('x'),
  ]
  for (const userId of nobody) {
    assert.throws(() => checkUserId(userId), {
      name: 'TypeError',
      message: /^Expected the user's id to be a non-empty string or a finite number, got \w[\w ]*$/,
    })
  }
})

test('an id is found at its path only, as a string or a number', () => {
  const isOf = (session: unknown, id = '42') => isOfUser(JSON.stringify(session), path, id)
  assert.ok(isOf({ passport: { user: 42 } }))
  assert.ok(isOf({ passport: { user: '42' } }))
  for (const other of [{}, [], 5, null, { passport: 42 }, { passport: { user: [42] } }, { user: 42 }])
    assert.ok(!isOf(other))
  assert.ok(!isOf({ passport: { user: true } }, 'true'))
  assert.ok(!isOf({ passport: { user: null } }, 'null'))
  assert.ok(!isOfUser('{"passport":{"user":"constructor"}}', ['constructor', 'name'], 'Object'))
  assert.ok(!isOfUser('no JSON', path, '42'))
  assert.ok(!isOfUser(null, [], 'null'))
})

test('the sessions that end last come first, those that never end before all, and equal ones stay in order', () => {
  const never = Number.POSITIVE_INFINITY
  const ends: [string, number][] = [
    ['soon', 5],
    ['never', never],
    ['later', 20],
    ['never either', never],
    ['as soon', 5],
    ['between', 10],
  ]
  const rows = ends.map(([sid, end]) => ({ sid, end, row: [sid, '{}', end, null] as unknown as Row }))
  const given = [...rows]
  const sorted = lastToEndFirst(rows).map(({ sid }) => sid)
  assert.deepEqual(sorted, ['never', 'never either', 'later', 'between', 'soon', 'as soon'])
  assert.deepEqual(rows, given)
})

test('`except` and `keep` are checked before anything is destroyed', () => {
  const message = (options: unknown) => {
    try {
      checkDestroyOptions(options)
    } catch (error) {
      return (error as Error).message
    }
    return ''
  }
  assert.match(message(null), /Expected the options of destroyByUser to be an object/)
  assert.match(
    message({ exept: 'a' }),
    /Unknown option `exept` of destroyByUser: the options are except, keep/,
  )
  for (const keep of [-1, 1.5, Number.NaN, '2', null])
    assert.match(message({ keep }), /Expected `keep` to be a whole/)
  for (const except of ['', ['a', ''], 5, null]) assert.match(message({ except }), /The session id must be/)
  assert.equal(message({ except: undefined, keep: undefined }), '')
})

test('`except` spares sids, and `keep` counts them among those that are left', () => {
  const alive = [...'abcde']
  const destroyed = (options: object) =>
    sidsToDestroy([...alive, 'old'], new Set(alive), checkDestroyOptions(options)).join('')
  assert.equal(destroyed({}), 'abcdeold')
  assert.equal(destroyed({ keep: 2 }), 'cdeold')
  assert.equal(destroyed({ except: 'c' }), 'abdeold')
  assert.equal(destroyed({ except: 'd', keep: 2 }), 'bceold')
  assert.equal(destroyed({ except: ['d', 'e'], keep: 1 }), 'abcold')
  assert.equal(destroyed({ except: ['old', 'nobody'], keep: 9 }), '')
})

test('a column of text has no index on a server that cannot tell JSON from other text', async () => {
  const rowsOn = (version: string) => {
    const table = { query: async () => [['text', version]] } as unknown as Table
    return new UserRows(table, { tableName: 'session', schemaName: undefined, userIdPath: path })
  }
  const { code, message } = await failure(rowsOn('150018').index(0))
  assert.equal(code, '0A000')
  assert.match(message, /needs a column "sess" of type json or jsonb, or PostgreSQL 16 or later$/)
  assert.match((await rowsOn('160000').index(0)).create, /is json then/)
})

test('the name of the index tells tables and paths apart, and is never so long that PostgreSQL cuts it off', () => {
  const nameOf = (table: string, ...at: string[]) => userIndex(names(table, 'app'), at).name
  const tables = ['session', 'é'.repeat(31), `${'é'.repeat(31)}2`, '🦉'.repeat(40)]
  const all = tables.flatMap((table) => [nameOf(table, 'a', 'b'), nameOf(table, 'a_b'), nameOf(table, 'a')])
  assert.equal(new Set(all).size, all.length)
  for (const name of all) assert.ok(Buffer.byteLength(name) <= 63 && name.isWellFormed(), name)
  assert.match(all[0] as string, /^IDX_session_user_[0-9a-f]{8}$/)
})
