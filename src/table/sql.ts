// What the statements are made of: parameters by name, and the pieces of SQL that several of them share.
// Must not know which statements there are.
//
// Time: `expire` is a timestamp without zone. As in connect-pg-simple it is written from a timestamptz and compared
// with one, so both stores agree as long as their connections have the same TimeZone, whatever that is.

/** What a statement is given. Each is text, cast where it is used. */
export type ParameterName =
  /** Joins the elements of the lists; in none of them. */
  | 'separator'
  | 'sids'
  | 'texts'
  /** The texts that the rows must hold. */
  | 'was'
  | 'expiries'
  | 'aliveAts'
  | 'now'
  /** The moment by which a write must have its locks. */
  | 'latest'
  | 'lockWaitMs'
  | 'limit'
  | 'after'
  | 'from'
  | 'skip'
  | 'upTo'

export interface Statement {
  readonly text: string
  /** In the order in which they are sent. */
  readonly parameters: readonly ParameterName[]
}

/** The order of the parameters is said once, here; the text has them by name. */
export function statement<const Name extends ParameterName>(
  parameters: readonly Name[],
  text: ($: Readonly<Record<Name, string>>) => string,
): Statement {
  const places = parameters.map((name, i) => [name, `$${i + 1}::text`])
  return { parameters, text: text(Object.fromEntries(places)) }
}

/** Stands for a row that was passed over. */
export const HELD = 'held'

type Sids = Readonly<Record<'separator' | 'sids', string>>

/** Pieces of SQL. Each function takes values as SQL has them, such as a parameter. */
export interface Pieces {
  /** A moment, from seconds since 1970. */
  seconds(value: string): string
  /** The column `expire`, compared so that its index is not used. */
  readonly expiry: string
  /** The column `expire` in seconds since 1970, as text. */
  readonly epoch: string
  alive(now: string): string
  /** Is true, and sets a parameter of the server for this statement only, as each is a transaction. */
  setting(name: string, value: string): string
  /** Is true, and lets the statement wait for no lock of a row longer than this. */
  patience(ms: string): string
  /** Is true, or fails with STATEMENT_LATE. */
  inTime(latest: string): string
  /** The same, once the rows of `locked` are locked. */
  lockedInTime(latest: string): string
  /** A list, from its text. */
  list($: Pick<Sids, 'separator'>, text: string): string
  /** The list of the sids, of the column's type. */
  sids($: Sids): string
  /** By which of the sids asked for the row was found. */
  asked($: Sids, row: string): string
  readonly held: string
}

/**
 * @param sidType of the column `sid`, as SQL names it, where it does not compare sids as the text that they
 *   are. What is asked for is then cast to it, and the answer says which of the sids asked for the row was
 *   found by: its own may be spelled otherwise. Else nothing: these statements give the column as it is, so
 *   that the server says its type.
 */
export function pieces(sidType?: string): Pieces {
  const seconds = (value: string) => `pg_catalog.to_timestamp(${value}::float8)`
  // Said with a cast, for what a comparison with a timestamptz means anyway, the index on `expire` does not match. Where
  // sids are given it must not: nearly all rows are alive, and the planner takes it for a third of them.
  const expiry = 's.expire::timestamptz'
  // Not `extract`, which goes by way of numeric and makes a get a tenth slower.
  const epoch = "pg_catalog.date_part('epoch', s.expire::timestamptz)::text"
  const alive = (now: string) => `s.expire >= ${seconds(now)}`
  const setting = (name: string, value: string) =>
    `(select pg_catalog.set_config('${name}', ${value}, true)) is not null`
  const patience = (ms: string) => setting('lock_timeout', ms)
  // `ln(0)` is an error of its own code, STATEMENT_LATE; no row at all would be taken for a success.
  const inTime = (latest: string) =>
    `pg_catalog.ln((pg_catalog.clock_timestamp() < (select ${seconds(latest)}))::int::float8) = 0`
  // Evaluated once, after every row lock is held.
  const lockedInTime = (latest: string) => `(select ${inTime(latest)} and count(*) >= 0 from locked)`
  // A list is one text, its elements joined: the literal of an array would have to be escaped, which takes the client
  // longer than all the rest. In a subselect the planner does not see how long the list is. If it does, it takes a plan made
  // for that length to be so much better that it plans every execution anew, which takes longer than to execute.
  const list = ({ separator }: Pick<Sids, 'separator'>, text: string) =>
    `(select pg_catalog.string_to_array(${text}, ${separator}))::text[]`
  const sids = ($: Sids) =>
    sidType ? `(select ${list($, $.sids)}::${sidType}[])::${sidType}[]` : list($, $.sids)
  const asked = ($: Sids, row: string) =>
    sidType ? `(${list($, $.sids)})[pg_catalog.array_position(${sids($)}, ${row}.sid)]` : `${row}.sid`
  const held = `'${HELD}'::text`
  return {
    seconds,
    expiry,
    epoch,
    alive,
    setting,
    patience,
    inTime,
    lockedInTime,
    list,
    sids,
    asked,
    held,
  }
}
