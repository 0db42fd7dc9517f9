// Every statement but the DDL, and the quoting of names. Each takes text parameters only, cast in SQL, so that no type
// setting of the driver matters, and gives text back; each of a batch names the sid with every row.
// Must not know who sends them or why.
//
// Time: `expire` is a timestamp without zone. As in connect-pg-simple it is written from a timestamptz and compared
// with one, so both stores agree as long as their connections have the same TimeZone, whatever that is.
//
// Locks: a batch takes its row locks in the order of the sids, in one pass, so two batches cannot wait for each other.
// None waits for a lock of a row longer than it is told. `set_config` with `true` holds for this statement only, as each is a
// transaction.
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

export type Statements = Readonly<
  Record<
    | 'get'
    | 'upsert'
    | 'update'
    | 'replace'
    | 'touch'
    | 'destroy'
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
    | 'sidType',
    string
  >
>

/**
 * @param sidType of the column `sid`, as SQL names it, where it does not compare sids as the text that they are. What is
 *   asked for is then cast to it, and the answer says which of the sids asked for the row was found by: its own may be
 *   spelled otherwise. Else nothing: these statements give the column as it is, so that the server says its type.
 */
export function statements({ table }: Names, sidType?: string): Statements {
  const seconds = (value: string) => `pg_catalog.to_timestamp(${value}::float8)`
  // Said with a cast, for what a comparison with a timestamptz means anyway, the index on `expire` does not match. Where
  // sids are given it must not: nearly all rows are alive, and the planner takes it for a third of them.
  const expiry = 's.expire::timestamptz'
  // Not `extract`, which goes by way of numeric and makes a get a tenth slower.
  const epoch = "pg_catalog.date_part('epoch', s.expire::timestamptz)::text"
  const alive = `s.expire >= ${seconds('$1::text')}`
  const setting = (name: string, value: string) =>
    `(select pg_catalog.set_config('${name}', ${value}, true)) is not null`
  const pruneLock = `pg_catalog.pg_try_advisory_xact_lock(${PRUNE_LOCK}, ${constant(table)}::regclass::oid::int4)`
  const patience = (parameter: string) => setting('lock_timeout', `${parameter}::text`)
  // `ln(0)` is an error of its own code, STATEMENT_LATE; no row at all would be taken for a success.
  const inTime = (parameter: string) =>
    `pg_catalog.ln((pg_catalog.clock_timestamp() < (select ${seconds(`${parameter}::text`)}))::int::float8) = 0`
  // Once, when all are locked.
  const lockedInTime = `(select ${inTime('$3')} and count(*) >= 0 from locked)`
  // A list is one text, its elements joined by $1: the literal of an array would have to be escaped, which takes the
  // client longer than all the rest. In a subselect the planner does not see how long the list is. If it does, it takes a
  // plan made for that length to be so much better that it plans every execution anew, which takes longer than to execute.
  const list = (parameter: string) => `pg_catalog.string_to_array(${parameter}::text, $1::text)`
  const array = (parameter: string) => `(select ${list(parameter)})::text[]`
  const sids = sidType ? `(select ${list('$2')}::${sidType}[])::${sidType}[]` : array('$2')
  /** By which of the sids asked for the row was found. */
  const asked = (row: string) =>
    sidType ? `(${array('$2')})[pg_catalog.array_position(${sids}, ${row}.sid)]` : `${row}.sid`
  const expiredFrom = (from: string) => `s.expire < ${seconds('$1::text')}
          and s.expire >= coalesce(${seconds(`nullif(${from}::text, '')`)}, '-infinity'::timestamptz)`
  /**
   * $1 now, $2 how many at most, $3 the expiry to begin with, or nothing, $4 how many to pass over, being kept. Gives the
   * number found and the number deleted, the last expiry of those found, and how many of that expiry were kept, as by a
   * trigger.
   */
  const prune = (condition: string, locked: string) => `
      with expired as (
        select s.sid, s.expire from ${table} s
        where ${condition}
          and ${expiredFrom('$3')}
        order by s.expire
        limit $2::text::int offset $4::text::int
        for update ${locked}
      ), gone as (
        delete from ${table} s using expired e where s.sid = e.sid returning s.expire
      )
      select (select count(*) from expired)::text, (select count(*) from gone)::text,
        pg_catalog.date_part('epoch', s.expire::timestamptz)::text,
        ((select count(*) from expired e where e.expire = s.expire) -
          (select count(*) from gone g where g.expire = s.expire))::text
      from (select max(e.expire) from expired e) as s(expire)`
  /**
   * $1 now, $2 a page of the table, $3 a later one, up to which. Gives the number deleted, whether it was this one's turn,
   * and how many pages the table has: none where it cannot be read in parts, before PostgreSQL 14 or because it is
   * partitioned.
   * @param which of the expired rows on those pages
   */
  const prunePages = (which: (expired: string) => string) => `
      with turn as (
        select pages, pages > 0 and ${pruneLock} as mine
        from (
          select case when pg_catalog.current_setting('server_version_num')::int < 140000 then 0
            else pg_catalog.pg_relation_size(${constant(table)}::regclass) / pg_catalog.current_setting('block_size')::int end
        ) as size(pages)
      ), gone as (
        delete from ${table} s
        where ${which(`(select mine from turn)
          and s.ctid >= pg_catalog.format('(%s,0)', $2::text)::tid and s.ctid < pg_catalog.format('(%s,0)', $3::text)::tid
          and s.expire < ${seconds('$1::text')}`)}
          and s.expire < ${seconds('$1::text')}
        returning 1
      )
      select (select count(*) from gone)::text, mine::text, pages::text from turn`

  return {
    /** $1 separator, $2 sids, $3 now */
    get: `
      select ${sidType ? 'o.asked' : 's.sid'}, s.sess::text, ${epoch}
      from ${table} s${sidType ? ` join unnest(${array('$2')}, ${sids}) as o(asked, sid) using (sid)` : ''}
      where s.sid = any(${sids}) and ${expiry} >= ${seconds('$3::text')}`,

    /** $1 separator, $2 sids, $3 latest moment, $4 ms to wait for a lock, $5 expiries, $6 texts */
    upsert: `
      insert into ${table} as s (sid, sess, expire)
      select o.sid, o.sess::json, ${seconds('o.expire')}
      from unnest(${sids}, ${array('$5')}, ${array('$6')}) as o(sid, expire, sess)
      where ${patience('$4')} and ${inTime('$3')}
      order by o.sid
      on conflict (sid) do update set sess = excluded.sess, expire = excluded.expire where ${inTime('$3')}
      returning ${asked('s')}`,

    /** $1 separator, $2 sids, $3 latest moment, $4 ms to wait for a lock, $5 expiries, $6 floors, $7 texts */
    update: `
      with locked as (
        select s.sid, o.sess, o.expire
        from unnest(${sids}, ${array('$5')}, ${array('$6')}, ${array('$7')}) as o(sid, expire, floor, sess)
        join ${table} s on s.sid = o.sid
        where ${expiry} >= ${seconds('o.floor')} and ${patience('$4')}
        order by o.sid
        for no key update of s
      )
      update ${table} s
      set sess = l.sess::json, expire = ${seconds('l.expire')}
      from locked l
      where s.sid = l.sid and ${lockedInTime}
      returning ${asked('s')}`,

    /**
     * As update, and $8 texts that the rows must hold.
     * Gives, of each row that is alive, whether it was replaced, and the text it holds then. One that holds the new text
     * already may have it from an attempt whose answer was lost.
     */
    replace: `
      with locked as (
        select s.sid, s.sess::text as held, o.sess, o.was, o.expire
        from unnest(${sids}, ${array('$5')}, ${array('$6')}, ${array('$7')}, ${array('$8')})
          as o(sid, expire, floor, sess, was)
        join ${table} s on s.sid = o.sid
        where ${expiry} >= ${seconds('o.floor')} and ${patience('$4')}
        order by o.sid
        for no key update of s
      ), replaced as (
        update ${table} s
        set sess = l.sess::json, expire = ${seconds('l.expire')}
        from locked l
        where s.sid = l.sid and l.held in (l.was, l.sess) and ${lockedInTime}
        returning s.sid, s.sess::text as held
      )
      select ${asked('l')}, (r.sid is not null)::text, coalesce(r.held, l.held)
      from locked l left join replaced r on r.sid = l.sid`,

    /**
     * As update, without texts. Answers before the change is on disk: a server that crashes can lose the last half second of
     * touches, so that a session ends as much earlier, but no save. A row that has the expiry is left as it is: what one page
     * asks for in the same second, from many processes, is written once.
     */
    touch: `
      with locked as (
        select s.sid, o.expire
        from unnest(${sids}, ${array('$5')}, ${array('$6')}) as o(sid, expire, floor)
        join ${table} s on s.sid = o.sid
        where ${expiry} >= ${seconds('o.floor')} and ${expiry} <> ${seconds('o.expire')}
          and ${patience('$4')} and ${setting('synchronous_commit', "'off'")}
        order by o.sid
        for no key update of s
      )
      update ${table} s
      set expire = ${seconds('l.expire')}
      from locked l
      where s.sid = l.sid and ${lockedInTime}
      returning ${asked('s')}`,

    /** $1 separator, $2 sids, $3 latest moment, $4 ms to wait for a lock */
    destroy: `
      with locked as (
        select s.sid
        from ${table} s
        where s.sid = any(${sids}) and ${patience('$4')}
        order by s.sid
        for update
      )
      delete from ${table} s
      using locked l
      where s.sid = l.sid and ${lockedInTime}
      returning ${asked('s')}`,

    /**
     * See `prune`. The lock is held for this statement only, which is safe behind a pooler too: of many instances that
     * prune at once one works, the others delete nothing.
     */
    prune: prune(`(select ${pruneLock})`, 'skip locked'),

    /** For a server without such locks: waits for who else is at it. */
    prunePlain: prune(setting('lock_timeout', "'250ms'"), ''),

    /** $1 now, $2 the expiry to begin with, or nothing, $3 how many to pass over. Gives the expiry of the next expired row. */
    pruneNext: `
      select ${epoch}
      from ${table} s
      where ${expiredFrom('$2')}
      order by s.expire
      limit 1 offset $3::text::int`,

    prunePages: prunePages((expired) => `${expired} and ${setting('lock_timeout', "'1ms'")}`),

    /** The same where one of the rows is locked: that one stays. It is found again by its place, its own while locked here. */
    prunePagesUnlocked: prunePages(
      (expired) =>
        `s.ctid = any(array(select s.ctid from ${table} s where ${expired} for update skip locked))`,
    ),

    /** $1 now */
    length: `select count(*)::text from ${table} s where ${alive}`,

    /** $1 now */
    ids: `select s.sid::text from ${table} s where ${alive} order by s.sid`,

    /** $1 now, $2 the last sid of the page before, $3 how many at most */
    page: `
      select ${sidType ? 's.sid::text' : 's.sid'}, s.sess::text, ${epoch}
      from ${table} s
      where ${alive} and ${sidType ? `($2::text = '' or s.sid > nullif($2, '')::${sidType})` : 's.sid > $2::text'}
      order by s.sid
      limit $3::text::int`,

    /** $1 latest moment, $2 ms to wait for a lock */
    clear: `
      with gone as (delete from ${table} where ${patience('$2')} and ${inTime('$1')} returning 1)
      select count(*)::text from gone`,

    /** The name stands in the text: to_regclass took another type in 9.5. */
    exists: `select (pg_catalog.to_regclass(${constant(table)}) is not null)::text`,

    /**
     * Gives the table as it is named here, schema and name of the type of its sids, for a domain those of what it is a domain
     * of, and whether only the same bytes are the same sid.
     */
    sidType: `
      select ${constant(table)}::text, n.nspname::text, t.typname::text,
        coalesce(pg_catalog.to_json(c) ->> 'collisdeterministic', 'true')
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_type d on d.oid = a.atttypid
      join pg_catalog.pg_type t on t.oid = case d.typtype when 'd' then d.typbasetype else d.oid end
      join pg_catalog.pg_namespace n on n.oid = t.typnamespace
      left join pg_catalog.pg_collation c on c.oid = a.attcollation
      where a.attrelid = ${constant(table)}::regclass and a.attname = 'sid'`,
  }
}
