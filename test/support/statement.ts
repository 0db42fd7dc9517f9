// Runs one of the store's statements by hand, its parameters given by name. Knows nothing of the store's
// way to do so.

import type { Sql } from 'postgres'
import type { ParameterName, Statement } from '../../src/table/sql.ts'

/** @returns the rows, as arrays */
export function execute(
  sql: Pick<Sql, 'unsafe'>,
  { text, parameters }: Statement,
  values: Partial<Record<ParameterName, string | number>>,
) {
  return sql
    .unsafe(
      text,
      parameters.map((name) => String(values[name])),
    )
    .values()
}
