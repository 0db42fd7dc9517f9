// What statements are made of: parameters with names, and the pieces of SQL that several statements share.
// Must not know which statements there are.
//
// Time: the column `expire` is a timestamp without time zone. As in connect-pg-simple, it is written from a
// timestamptz and compared with one. Both stores agree as long as their connections have the same TimeZone,
// whichever it is.

/** The names of all parameters. Every value is sent as text, and cast where it is used. */
export type ParameterName =
  /** Stands between the elements of the lists, and occurs in none of them. */
  | 'separator'
  | 'sids'
  | 'texts'
  /** The texts that rows must hold to be replaced. */
  | 'was'
  | 'expiries'
  | 'aliveAts'
  | 'now'
  /** By when a write must have its locks, by the server's clock. */
  | 'latest'
  | 'lockWaitMs'
  | 'limit'
  | 'after'
  | 'from'
  | 'skip'
  | 'upTo'
  /** A user's id as text. */
  | 'user'

/**
 * Pgpool-II sends a statement that only reads to a standby, which has a logout a moment later. It leaves one
 * that starts with this to the primary, and caches no result of it.
 */
const ON_PRIMARY = '/*NO LOAD BALANCE*/'

export interface Statement {
  readonly text: string
  /** In the order in which they are sent. */
  readonly parameters: readonly ParameterName[]
}

/**
 * @param parameters in the order in which they are sent; this is the only place that says it
 * @param text gets the placeholder of each parameter by its name
 */
export function statement<const Name extends ParameterName>(
  parameters: readonly Name[],
  text: ($: Readonly<Record<Name, string>>) => string,
): Statement {
  const placeholders = parameters.map((name, i) => [name, `$${i + 1}::text`])
  return { parameters, text: `${ON_PRIMARY} ${text(Object.fromEntries(placeholders))}` }
}

/** The placeholders of the list of sids. */
export type Sids = Readonly<Record<'separator' | 'sids', string>>

/** Pieces of SQL. Their arguments are SQL, such as the placeholder of a parameter. */
export interface Pieces {
  /** A timestamptz from seconds since 1970. */
  seconds(value: string): string
  /** The column `expire` in a form for comparisons that do not use its index. */
  readonly expiry: string
  /** The column `expire` in seconds since 1970, as text. */
  readonly epoch: string
  /** Whether the row has not expired; uses the index on `expire`. */
  alive(now: string): string
  /**
   * Is true, and sets a parameter of the server until the end of the transaction, which is this statement: no
   * statement of the store runs in a longer transaction.
   */
  setting(name: string, value: string): string
  /** Is true, and limits how long the statement waits for each row lock. */
  lockTimeout(ms: string): string
  /** Is true, or raises STATEMENT_LATE if the server is a standby, whose rows can be old. For reads: no other is let write. */
  readonly onPrimary: string
  /** Is true, or raises STATEMENT_LATE if the server's clock is past `latest`. */
  inTime(latest: string): string
  /** The same, evaluated after all rows of the query `locked` have been locked. */
  lockedInTime(latest: string): string
  /** An array of text from a list parameter. */
  list($: Pick<Sids, 'separator'>, text: string): string
  /** The array of the sids, in the type of the column `sid`. */
  sids($: Sids): string
  /** Which of the sids that were asked for has found this row. */
  asked($: Sids, row: string): string
}

/**
 * @param sidType the type of the column `sid`, as SQL names it, if it does not compare sids as plain text;
 *   otherwise empty or undefined. With a type, sids are cast to it, and rows are returned under the sid that
 *   was asked for, as the column may spell it differently. Without one, the column is returned uncast, so
 *   that the server reports its actual type: a table with another type than expected is noticed.
 */
export function pieces(sidType?: string): Pieces {
  const seconds = (value: string) => `pg_catalog.to_timestamp(${value}::float8)`
  // A comparison with a timestamptz casts the column anyway. Writing the cast out keeps the planner from
  // using the index on `expire`, which is useless where sids are given: nearly all rows are alive, but the
  // planner, without the value, expects a third of them.
  const expiry = 's.expire::timestamptz'
  // `extract` would do the same through numeric, which makes a get a tenth slower.
  const epoch = "pg_catalog.date_part('epoch', s.expire::timestamptz)::text"
  const alive = (now: string) => `s.expire >= ${seconds(now)}`
  const setting = (name: string, value: string) =>
    `(select pg_catalog.set_config('${name}', ${value}, true)) is not null`
  const lockTimeout = (ms: string) => setting('lock_timeout', ms)
  // A late write has to fail: if it only changed no row, that would count as success. `ln(0)` raises an error
  // with a code of its own, STATEMENT_LATE.
  const inTime = (latest: string) =>
    `pg_catalog.ln((pg_catalog.clock_timestamp() < (select ${seconds(latest)}))::int::float8) = 0`
  // A pooler can keep our connection to it while the server behind it becomes a standby.
  const onPrimary = '(select pg_catalog.ln((not pg_catalog.pg_is_in_recovery())::int::float8) = 0)'
  // Evaluated once, after every row lock is held.
  const lockedInTime = (latest: string) => `(select ${inTime(latest)} and count(*) >= 0 from locked)`
  // A list is sent as one text with its elements joined by a separator. To escape an array literal instead
  // would take the client longer than everything else. The subselect hides the list's length from the
  // planner. If the planner knows it, it prefers a plan made for that length, and plans every execution anew,
  // which takes longer than the execution.
  const list = ({ separator }: Pick<Sids, 'separator'>, text: string) =>
    `(select pg_catalog.string_to_array(${text}, ${separator}))::text[]`
  const sids = ($: Sids) =>
    sidType ? `(select ${list($, $.sids)}::${sidType}[])::${sidType}[]` : list($, $.sids)
  const asked = ($: Sids, row: string) =>
    sidType ? `(${list($, $.sids)})[pg_catalog.array_position(${sids($)}, ${row}.sid)]` : `${row}.sid`
  return {
    seconds,
    expiry,
    epoch,
    alive,
    setting,
    lockTimeout,
    onPrimary,
    inTime,
    lockedInTime,
    list,
    sids,
    asked,
  }
}
