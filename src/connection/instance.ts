// Checks the instance given as `postgres`, and says what its options look like. Promises to leave it as it
// is. Must not know what it is used for.

import type { Sql } from 'postgres'

/** postgres.js' parsed options, as it keeps them in `sql.options`. Its types leave some of them out. */
export type DriverOptions = Record<string, any> & { host: string[]; port: number[] }

/** @throws TypeError if the instance would change the store's parameters or rows on its own connections */
export function checkShareable(sql: Sql<any>): void {
  checkInstance(sql)
  const { transform, parsers, serializers } = (sql.options ?? {}) as unknown as Partial<DriverOptions>
  const text = 'a_b "C"'
  // 25 is `text`, the type of all parameters and most columns; 1043 is `varchar`, the type of most tables'
  // sids.
  const isChanged = [25, 1043].some((type) => {
    const written = serializers?.[25]?.(text) ?? text
    const read = parsers?.[type]?.(written) ?? written
    const received = transform?.value?.from?.(read, { name: 'sid', type, table: 0, number: 0 }) ?? read
    return received !== text
  })
  if (transform?.row?.from || isChanged) {
    throw new TypeError(
      'The instance given as `postgres` changes text or rows by `transform` or `types`, which ' +
        '`isolate: false` cannot shield from: leave `isolate` at true, or pass an instance without them',
    )
  }
}

/** @throws TypeError for a transaction, a reserved connection, or what is no postgres.js instance */
export function checkInstance(sql: Sql<any>): void {
  const wrong =
    'savepoint' in sql
      ? 'a transaction: its connection goes back to the app when it ends'
      : 'release' in sql
        ? 'a reserved connection: it goes back to the app when it is released'
        : typeof sql.unsafe !== 'function' || typeof sql.begin !== 'function' || typeof sql.end !== 'function'
          ? 'a function without the methods of one'
          : undefined
  if (wrong) throw new TypeError(`Expected \`postgres\` to be what postgres() returned, got ${wrong}`)
}
