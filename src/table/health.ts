// What the health of the store is made of in the database. Promises a statement that reads no row of the
// table. Must not know when it is asked.

import type { Columns } from '../connection/query.ts'
import { constant, type Names } from './names.ts'
import { may } from './rights.ts'
import { type Statement, statement } from './sql.ts'

export type TableState = 'ready' | 'missing' | 'forbidden' | 'readOnly'

interface Found {
  serverVersion: string
  timeZone: string
  /** The server's clock, in ms since 1970. */
  clockMs: number
  table: TableState
}

export const healthOf = ([version, timeZone, clock, state]: Columns): Found => ({
  serverVersion: String(version),
  timeZone: String(timeZone),
  clockMs: Number(clock) * 1000,
  table: state as TableState,
})

/** Returns one row, for `healthOf`. */
export function healthStatement({ table }: Names): Statement {
  const rights = ['select', 'insert', 'update', 'delete'] as const
  return statement(
    [],
    () => `
    select pg_catalog.current_setting('server_version'), pg_catalog.current_setting('TimeZone'),
      pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::text,
      case
        when t.oid is null then 'missing'
        when not (${rights.map((right) => may('t.oid', right)).join(' and ')}) then 'forbidden'
        when pg_catalog.current_setting('transaction_read_only')::bool then 'readOnly'
        else 'ready'
      end
    from (select pg_catalog.to_regclass(${constant(table)})::oid as oid) as t`,
  )
}
