// Every statement but the DDL, and the quoting of names. Each takes text parameters only, cast in SQL, so that no type
// setting of the driver matters, and gives text back; each of a batch names the sid with every row.
// Must not know who sends them or why.
//
// Time: `expire` is a timestamp without zone. As in connect-pg-simple it is written from a timestamptz and compared
// with one, so both stores agree as long as their connections have the same TimeZone, whatever that is.
//
// Locks: a batch takes its row locks in the order of the sids, in one pass, so two batches cannot wait for each other.
// None waits for a lock of a row longer than it is told. `set_config` with `true` holds for this statement only, as each is a
// transaction. Each change has a second form, which passes over the rows that somebody else has locked, and names them: it
// costs a second lookup, so it is for when the first was held up.
//
// Late: a write that the store has given up must not take effect after a later one, where it waited for a lock of the whole
// table, or its bytes on their way. So each row that is written is first held against the clock.

/** The names of a table for SQL, quoted. */
export interface Names {
  /** With the schema, if one was given. */
  readonly table: string
  /** Of its index on `expire`; named after the table, so that a schema can hold several. */
  readonly index: string
}

/** A dot is part of a name; `a"."b` without a schema is connect-pg-simple's old way to give one. */
export function names(tableName: string, schemaName: string | undefined): Names {
  const legacy = schemaName === undefined ? /^([^"]+)"\."([^"]+)$/.exec(tableName) : null
  const [schema, table] = legacy ? [legacy[1], legacy[2]!] : [schemaName, tableName]
  return {
    table: schema === undefined ? quoted(table) : `${quoted(schema)}.${quoted(table)}`,
    index: quoted(`IDX_${table}_expire`),
  }
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A name as a string constant, for where SQL takes no parameter. Right under either standard_conforming_strings. */
function constant(text: string): string {
  const body = text.replaceAll("'", "''")
  return body.includes('\\') ? `E'${body.replaceAll('\\', '\\\\')}'` : `'${body}'`
}

// Any constant will do, as long as every instance of the store has the same.
const PRUNE_LOCK = 1_936_028_531

/** Whether the server is a standby, and its clock in seconds since 1970. */
export const GREETING = `select pg_catalog.pg_is_in_recovery()::text, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::text`

/** The SQLSTATE of a write that began, or got its lock, after the latest moment that was given. */
export const STATEMENT_LATE = '2201E'

/** What a statement is given. Each is text, cast where it is used. */
export type ParameterName =
  /** Joins the elements of the lists; in none of them. */
  | 'separator'
  | 'sids'
  | 'texts'
  /** The texts that the rows must hold. */
  | 'was'
  | 'expiries'
  | 'floors'
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
function statement<const Name extends ParameterName>(
  parameters: readonly Name[],
  text: ($: Readonly<Record<Name, string>>) => string,
): Statement {
  const places = parameters.map((name, i) => [name, `$${i + 1}::text`])
  return { parameters, text: text(Object.fromEntries(places)) }
}

type Change = 'upsert' | 'update' | 'replace' | 'touch' | 'destroy'
type Query =
  | 'get'
  | 'insert'
  | 'prune'
  | 'prunePlain'
  | 'pruneNext'
  | 'prunePages'
  | 'prunePagesUnlocked'
  | 'length'
  | 'ids'
  | 'page'
  | 'clear'
  | 'exists'
  | 'sidType'
export type StatementName = Change | Query
export type Statements = Readonly<Record<StatementName, Statement>> & {
  /** The changes in the form that passes over locked rows. Their answer: `HELD` in the second column for each of those. */
  readonly passingOver: Readonly<Record<Change, Statement>>
}

/** Stands for a row that was passed over. */
export const HELD = 'held'

/**
 * @param sidType of the column `sid`, as SQL names it, where it does not compare sids as the text that they
 *   are. What is asked for is then cast to it, and the answer says which of the sids asked for the row was
 *   found by: its own may be spelled otherwise. Else nothing: these statements give the column as it is, so
 *   that the server says its type.
 */
export function statements({ table }: Names, sidType?: string): Statements {
  const seconds = (value: string) => `pg_catalog.to_timestamp(${value}::float8)`
  // Said with a cast, for what a comparison with a timestamptz means anyway, the index on `expire` does not match. Where
  // sids are given it must not: nearly all rows are alive, and the planner takes it for a third of them.
  const expiry = 's.expire::timestamptz'
  // Not `extract`, which goes by way of numeric and makes a get a tenth slower.
  const epoch = "pg_catalog.date_part('epoch', s.expire::timestamptz)::text"
  const alive = (now: string) => `s.expire >= ${seconds(now)}`
  const setting = (name: string, value: string) =>
    `(select pg_catalog.set_config('${name}', ${value}, true)) is not null`
  const pruneLock = `pg_catalog.pg_try_advisory_xact_lock(${PRUNE_LOCK}, ${constant(table)}::regclass::oid::int4)`
  const patience = (ms: string) => setting('lock_timeout', ms)
  // `ln(0)` is an error of its own code, STATEMENT_LATE; no row at all would be taken for a success.
  const inTime = (latest: string) =>
    `pg_catalog.ln((pg_catalog.clock_timestamp() < (select ${seconds(latest)}))::int::float8) = 0`
  // Evaluated once, after every row lock is held.
  const lockedInTime = (latest: string) => `(select ${inTime(latest)} and count(*) >= 0 from locked)`
  // A list is one text, its elements joined: the literal of an array would have to be escaped, which takes the client
  // longer than all the rest. In a subselect the planner does not see how long the list is. If it does, it takes a plan made
  // for that length to be so much better that it plans every execution anew, which takes longer than to execute.
  const list = ({ separator }: { separator: string }, text: string) =>
    `(select pg_catalog.string_to_array(${text}, ${separator}))::text[]`
  const sids = ($: { separator: string; sids: string }) =>
    sidType ? `(select ${list($, $.sids)}::${sidType}[])::${sidType}[]` : list($, $.sids)
  /** By which of the sids asked for the row was found. */
  const asked = ($: { separator: string; sids: string }, row: string) =>
    sidType ? `(${list($, $.sids)})[pg_catalog.array_position(${sids($)}, ${row}.sid)]` : `${row}.sid`
  const held = `'${HELD}'::text`

  const changes = (passesOver: boolean): Readonly<Record<Change, Statement>> => {
    const lock = (strength: string) => `for ${strength} of s${passesOver ? ' skip locked' : ''}`
    const isPassedOver = 'not exists (select from locked l where l.sid = s.sid)'
    /** @param rows from where, and which: those that are not in `locked` are locked by somebody else */
    const answered = ($: { separator: string; sids: string }, change: string, rows: string) =>
      passesOver
        ? `, changed as (${change}) select ${asked($, 's')}, ${held} ${rows} and ${isPassedOver}`
        : `${change} returning ${asked($, 's')}`

    return {
      upsert: statement(['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'texts'], ($) => {
        const rows = `from ${table} s where s.sid = any(${sids($)}) and ${patience($.lockWaitMs)}`
        const insert = (which: string) => `
      insert into ${table} as s (sid, sess, expire)
      select o.sid, o.sess::json, ${seconds('o.expire')}
      from unnest(${sids($)}, ${list($, $.expiries)}, ${list($, $.texts)}) as o(sid, expire, sess)
      where ${which} and ${inTime($.latest)}
      order by o.sid
      on conflict (sid) do update set sess = excluded.sess, expire = excluded.expire where ${inTime($.latest)}`
        if (!passesOver) return `${insert(patience($.lockWaitMs))} returning ${asked($, 's')}`
        return `
      with locked as (
        select s.sid ${rows} order by s.sid ${lock('no key update')}
      ), held as (
        select s.sid ${rows} and ${isPassedOver}
      ), changed as (${insert('not exists (select from held h where h.sid = o.sid)')})
      select ${asked($, 'h')}, ${held} from held h`
      }),

      update: statement(['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'floors', 'texts'], ($) => {
        const rows = `
        from unnest(${sids($)}, ${list($, $.expiries)}, ${list($, $.floors)}, ${list($, $.texts)})
          as o(sid, expire, floor, sess)
        join ${table} s on s.sid = o.sid
        where ${expiry} >= ${seconds('o.floor')} and ${patience($.lockWaitMs)}`
        return `
      with locked as (
        select s.sid, o.sess, o.expire ${rows}
        order by o.sid ${lock('no key update')}
      )
      ${answered(
        $,
        `
      update ${table} s
      set sess = l.sess::json, expire = ${seconds('l.expire')}
      from locked l
      where s.sid = l.sid and ${lockedInTime($.latest)}`,
        rows,
      )}`
      }),

      /**
       * An update of the rows that hold the texts `was`. Gives, of each row that is alive, whether it was replaced, and the
       * text it holds then. One that holds the new text already may have it from an attempt whose answer was lost.
       */
      replace: statement(
        ['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'floors', 'texts', 'was'],
        ($) => {
          const rows = `
        from unnest(${[sids($), ...[$.expiries, $.floors, $.texts, $.was].map((each) => list($, each))]})
          as o(sid, expire, floor, sess, was)
        join ${table} s on s.sid = o.sid
        where ${expiry} >= ${seconds('o.floor')} and ${patience($.lockWaitMs)}`
          return `
      with locked as (
        select s.sid, s.sess::text as held, o.sess, o.was, o.expire ${rows}
        order by o.sid ${lock('no key update')}
      ), replaced as (
        update ${table} s
        set sess = l.sess::json, expire = ${seconds('l.expire')}
        from locked l
        where s.sid = l.sid and l.held in (l.was, l.sess) and ${lockedInTime($.latest)}
        returning s.sid, s.sess::text as held
      )
      select ${asked($, 'l')}, (r.sid is not null)::text, coalesce(r.held, l.held)
      from locked l left join replaced r on r.sid = l.sid
      ${passesOver ? `union all select ${asked($, 's')}, ${held}, '' ${rows} and ${isPassedOver}` : ''}`
        },
      ),

      /**
       * Answers before the change is on disk: a server that crashes can lose the last half second of touches, so that a
       * session ends as much earlier, but no save. A row that has the expiry is left as it is: what one page asks for in the
       * same second, from many processes, is written once.
       */
      touch: statement(['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'floors'], ($) => {
        const rows = `
        from unnest(${sids($)}, ${list($, $.expiries)}, ${list($, $.floors)}) as o(sid, expire, floor)
        join ${table} s on s.sid = o.sid
        where ${expiry} >= ${seconds('o.floor')} and ${expiry} <> ${seconds('o.expire')}
          and ${patience($.lockWaitMs)} and ${setting('synchronous_commit', "'off'")}`
        return `
      with locked as (
        select s.sid, o.expire ${rows}
        order by o.sid ${lock('no key update')}
      )
      ${answered(
        $,
        `
      update ${table} s
      set expire = ${seconds('l.expire')}
      from locked l
      where s.sid = l.sid and ${lockedInTime($.latest)}`,
        rows,
      )}`
      }),

      destroy: statement(['separator', 'sids', 'latest', 'lockWaitMs'], ($) => {
        const rows = `
        from ${table} s
        where s.sid = any(${sids($)}) and ${patience($.lockWaitMs)}`
        return `
      with locked as (
        select s.sid ${rows}
        order by s.sid ${lock('update')}
      )
      ${answered(
        $,
        `
      delete from ${table} s
      using locked l
      where s.sid = l.sid and ${lockedInTime($.latest)}`,
        rows,
      )}`
      }),
    }
  }

  /** From an expiry on, or from the first where `from` is empty. */
  const expiredFrom = ($: { now: string; from: string }) =>
    `s.expire < ${seconds($.now)}
          and s.expire >= coalesce(${seconds(`nullif(${$.from}, '')`)}, '-infinity'::timestamptz)`
  /**
   * In the order of their expiry, passing over the first `skip`, which stay. Gives the number found, the
   * number deleted, the last expiry of those found, and how many of that expiry stayed, as a trigger may
   * want.
   */
  const prune = (condition: string) =>
    statement(
      ['now', 'limit', 'from', 'skip'],
      ($) => `
      with expired as (
        select s.sid, s.expire from ${table} s
        where ${condition} ${expiredFrom($)}
        order by s.expire
        limit ${$.limit}::int offset ${$.skip}::int
        for update skip locked
      ), gone as (
        delete from ${table} s using expired e where s.sid = e.sid returning s.expire
      )
      select (select count(*) from expired)::text, (select count(*) from gone)::text, ${epoch},
        ((select count(*) from expired e where e.expire = s.expire) -
          (select count(*) from gone g where g.expire = s.expire))::text
      from (select max(e.expire) from expired e) as s(expire)`,
    )
  /**
   * The expired rows on the pages of the table from one up to a later one. Gives the number deleted, whether it was this one's
   * turn, and how many pages the table has: none where it cannot be read in parts, before PostgreSQL 14 or because it is
   * partitioned.
   * @param which of the expired rows on those pages
   */
  const prunePages = (which: (expired: string) => string) =>
    statement(
      ['now', 'from', 'upTo'],
      ($) => `
      with turn as (
        select pages, pages > 0 and ${pruneLock} as mine
        from (
          select case when pg_catalog.current_setting('server_version_num')::int < 140000 then 0
            else pg_catalog.pg_relation_size(${constant(table)}::regclass) / pg_catalog.current_setting('block_size')::int end
        ) as size(pages)
      ), gone as (
        delete from ${table} s
        where ${which(`(select mine from turn)
          and s.ctid >= pg_catalog.format('(%s,0)', ${$.from})::tid and s.ctid < pg_catalog.format('(%s,0)', ${$.upTo})::tid
          and s.expire < ${seconds($.now)}`)}
          and s.expire < ${seconds($.now)}
        returning 1
      )
      select (select count(*) from gone)::text, mine::text, pages::text from turn`,
    )

  return {
    ...changes(false),
    passingOver: changes(true),

    /**
     * An upsert that changes no row that is there, so that it waits for no lock of one. Gives the text that each
     * inserted row holds.
     */
    insert: statement(
      ['separator', 'sids', 'latest', 'lockWaitMs', 'expiries', 'texts'],
      ($) => `
      insert into ${table} as s (sid, sess, expire)
      select o.sid, o.sess::json, ${seconds('o.expire')}
      from unnest(${list($, $.sids)}, ${list($, $.expiries)}, ${list($, $.texts)}) as o(sid, expire, sess)
      where ${patience($.lockWaitMs)} and ${inTime($.latest)}
      order by o.sid
      on conflict (sid) do nothing
      returning s.sid::text, s.sess::text`,
    ),

    get: statement(
      ['separator', 'sids', 'now'],
      ($) => `
      select ${sidType ? 'o.asked' : 's.sid'}, s.sess::text, ${epoch}
      from ${table} s${sidType ? ` join unnest(${list($, $.sids)}, ${sids($)}) as o(asked, sid) using (sid)` : ''}
      where s.sid = any(${sids($)}) and ${expiry} >= ${seconds($.now)}`,
    ),

    /**
     * See `prune`. The lock is held for this statement only, which is safe behind a pooler too: of many
     * instances that prune at once one works, the others delete nothing.
     */
    prune: prune(`(select ${pruneLock}) and`),

    /** For a server without such a lock: who is at it at once takes other rows. */
    prunePlain: prune(''),

    /** The expiry of the first expired row that `prune` would find. */
    pruneNext: statement(
      ['now', 'from', 'skip'],
      ($) => `
      select ${epoch}
      from ${table} s
      where ${expiredFrom($)}
      order by s.expire
      limit 1 offset ${$.skip}::int`,
    ),

    prunePages: prunePages((expired) => `${expired} and ${setting('lock_timeout', "'1ms'")}`),

    /** The same where one of the rows is locked: that one stays. It is found again by its place, its own while locked here. */
    prunePagesUnlocked: prunePages(
      (expired) =>
        `s.ctid = any(array(select s.ctid from ${table} s where ${expired} for update skip locked))`,
    ),

    length: statement(['now'], ($) => `select count(*)::text from ${table} s where ${alive($.now)}`),

    ids: statement(['now'], ($) => `select s.sid::text from ${table} s where ${alive($.now)} order by s.sid`),

    page: statement(
      ['now', 'after', 'limit'],
      ($) => `
      select ${sidType ? 's.sid::text' : 's.sid'}, s.sess::text, ${epoch}
      from ${table} s
      where ${alive($.now)} and ${
        sidType ? `(${$.after} = '' or s.sid > nullif(${$.after}, '')::${sidType})` : `s.sid > ${$.after}`
      }
      order by s.sid
      limit ${$.limit}::int`,
    ),

    clear: statement(
      ['latest', 'lockWaitMs'],
      ($) => `
      with gone as (delete from ${table} where ${patience($.lockWaitMs)} and ${inTime($.latest)} returning 1)
      select count(*)::text from gone`,
    ),

    /** The name stands in the text: to_regclass took another type in 9.5. */
    exists: statement([], () => `select (pg_catalog.to_regclass(${constant(table)}) is not null)::text`),

    /**
     * Gives the table as it is named here, schema and name of the type of its sids, for a domain those of
     * what it is a domain of, and whether only the same bytes are the same sid.
     */
    sidType: statement(
      [],
      () => `
      select ${constant(table)}::text, n.nspname::text, t.typname::text,
        coalesce(pg_catalog.to_json(c) ->> 'collisdeterministic', 'true')
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_type d on d.oid = a.atttypid
      join pg_catalog.pg_type t on t.oid = case d.typtype when 'd' then d.typbasetype else d.oid end
      join pg_catalog.pg_namespace n on n.oid = t.typnamespace
      left join pg_catalog.pg_collation c on c.oid = a.attcollation
      where a.attrelid = ${constant(table)}::regclass and a.attname = 'sid'`,
    ),
  }
}
