// What can be wrong with a table and its server, each as the SQL that makes it so, the code under which the
// doctor finds it, and what is left when its repair was run. Knows nothing of the doctor.

export interface Fault {
  readonly code: string
  /** Follows "the doctor finds". */
  readonly what: string
  readonly make: readonly string[]
  /** What the repair says, where it matters. */
  readonly fix?: RegExp
  /** Instead of the repair, where there is none. */
  readonly undo?: readonly string[]
  /** Codes that come with it. */
  readonly beside?: readonly string[]
  /** For the doctor. */
  readonly flags?: readonly string[]
  /** Run in a transaction that stays open. */
  readonly holding?: readonly string[]
  /** Run meanwhile, and not waited for. */
  readonly waiting?: string
  /** What the table lacks after the repair. */
  readonly more?: readonly string[]
  /** Takes back what was changed outside of the database. */
  readonly after?: readonly string[]
  /** Whether the server learns of it by its statistics. */
  readonly isOfStatistics?: true
}

const column = (change: string) => [`alter table session alter column ${change}`]
const dead = `
  insert into session select g, '{"cookie":{}}', now() + interval '1 day' from generate_series(1, 9000) g`

export const faults: readonly Fault[] = [
  { code: 'table-missing', what: 'a table that is missing', make: ['drop table session'] },
  {
    code: 'table-missing',
    what: 'a table that is in another schema',
    make: ['create schema other', 'alter table session set schema other'],
  },
  {
    code: 'schema-missing',
    what: 'a schema that is missing',
    make: [],
    flags: ['--schema', 'nowhere'],
    beside: ['table-missing'],
    more: ['create table nowhere.session (like session including all)'],
  },
  {
    code: 'column-missing',
    what: 'a table without the column sess',
    make: ['alter table session drop column sess'],
  },
  {
    code: 'column-missing',
    what: 'a table without the column expire',
    make: ['alter table session drop column expire'],
    more: ['create index on session (expire)'],
  },
  {
    code: 'column-missing',
    what: 'a table without the column sid',
    make: ['alter table session drop column sid'],
    undo: ['alter table session add column sid varchar primary key'],
  },
  { code: 'column-type', what: 'jsonb', make: column('sess type jsonb') },
  { code: 'column-type', what: 'sessions as text', make: column('sess type text') },
  {
    code: 'column-type',
    what: 'sessions as bytes',
    make: column(`sess type bytea using null`),
    undo: column(`sess type json using null`),
  },
  { code: 'column-type', what: 'timestamptz', make: column('expire type timestamptz') },
  {
    code: 'column-type',
    what: 'an expiry in seconds',
    make: column('expire type int using 1'),
    beside: ['unanswered'],
  },
  { code: 'column-type', what: 'an expiry in days', make: column('expire type date') },
  { code: 'column-type', what: 'sids as uuid', make: column('sid type uuid using null') },
  { code: 'column-type', what: 'sids as char(n)', make: column('sid type char(64)') },
  { code: 'column-type', what: 'sids in too little room', make: column('sid type varchar(20)') },
  {
    code: 'column-type',
    what: 'sids as citext',
    make: ['create extension citext', ...column('sid type citext')],
  },
  {
    code: 'sid-collation',
    what: 'a collation that does not tell case',
    make: [
      `create collation blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
      ...column('sid type varchar collate blind'),
    ],
  },
  { code: 'column-nullable', what: 'sessions that may be null', make: column('sess drop not null') },
  {
    code: 'column-extra',
    what: 'a further column that must have a value',
    make: ['alter table session add column tenant int not null'],
  },
  {
    code: 'sid-unique-missing',
    what: 'sids that nothing keeps unique',
    make: ['alter table session drop constraint session_pkey'],
    fix: /create unique index concurrently/,
  },
  {
    code: 'sid-unique-missing',
    what: 'a primary key that can be deferred',
    make: [
      'alter table session drop constraint session_pkey',
      'alter table session add primary key (sid) deferrable',
    ],
  },
  {
    code: 'sid-unique-missing',
    what: 'a primary key on more than the sid',
    make: [
      'alter table session drop constraint session_pkey',
      'alter table session add primary key (sid, expire)',
    ],
  },
  {
    code: 'sid-unique-invalid',
    what: 'a unique index on sids whose building failed',
    make: [
      'alter table session drop constraint session_pkey',
      `insert into session select 'a', '{"cookie":{}}', now() from generate_series(1, 2)`,
      '-- fails\ncreate unique index concurrently broken on session (sid)',
      `delete from session`,
    ],
    fix: /drop index concurrently public\.broken/,
  },
  {
    code: 'expire-index-missing',
    what: 'no index on the expiry',
    make: ['drop index "IDX_session_expire"'],
    fix: /create index concurrently on/,
  },
  {
    code: 'expire-index-missing',
    what: 'no index on the expiry, where the name is taken by another table’s',
    make: [
      'drop index "IDX_session_expire"',
      'create table other (expire timestamp)',
      'create index "IDX_session_expire" on other (expire)',
    ],
  },
  {
    code: 'expire-index-invalid',
    what: 'an index on the expiry whose building did not end',
    make: [`update pg_index set indisvalid = false where indexrelid = '"IDX_session_expire"'::regclass`],
    fix: /drop index concurrently public\."IDX_session_expire"/,
  },
  {
    code: 'expire-index-kind',
    what: 'an index on the expiry that is of another kind',
    make: [
      'drop index "IDX_session_expire"',
      'create index "IDX_session_expire" on session using brin (expire)',
    ],
  },
  {
    code: 'expire-index-kind',
    what: 'an index on the expiry of some rows only',
    make: [
      'drop index "IDX_session_expire"',
      `create index "IDX_session_expire" on session (expire) where sid > 'a'`,
    ],
  },
  {
    code: 'sid-unique-invalid',
    what: 'a primary key that is invalid',
    make: [`update pg_index set indisvalid = false where indexrelid = 'session_pkey'::regclass`],
    fix: /^reindex index concurrently public\.session_pkey;$/,
  },
  {
    code: 'index-invalid',
    what: 'an invalid index beside a valid one on the same column',
    make: [
      `insert into session select g, '{"cookie":{}}', now() + interval '1 day' from generate_series(1, 2) g`,
      '-- fails\ncreate unique index concurrently on session (expire)',
    ],
    fix: /^drop index concurrently public\.session_expire_idx;$/,
  },
  {
    code: 'index-invalid',
    what: 'what the rebuild of an index on an expression has left',
    make: [
      `create function part(varchar) returns varchar immutable language sql as 'select $1'`,
      'create index "Odd ""one""" on session (part(sid))',
      `insert into session values ('a', '{"cookie":{}}', now() + interval '1 day')`,
      `create or replace function part(varchar) returns varchar immutable language plpgsql
        as 'begin raise exception ''no''; end'`,
      '-- fails\nreindex index concurrently "Odd ""one"""',
      `create or replace function part(varchar) returns varchar immutable language sql as 'select $1'`,
    ],
    fix: /^drop index concurrently public\."Odd ""one""_ccnew";$/,
  },
  {
    code: 'index-invalid',
    what: 'an invalid index that a constraint needs',
    make: [
      'alter table session add constraint late unique (sid, expire)',
      `update pg_index set indisvalid = false where indexrelid = 'late'::regclass`,
    ],
    fix: /^reindex index concurrently public\.late;$/,
  },
  {
    code: 'table-kind',
    what: 'a view',
    make: ['alter table session rename to real', 'create view session as select * from real'],
    undo: ['drop view session', 'alter table real rename to session'],
  },
  {
    code: 'table-kind',
    what: 'a materialized view',
    make: ['alter table session rename to real', 'create materialized view session as select * from real'],
    beside: ['sid-unique-missing', 'expire-index-missing'],
    undo: ['drop materialized view session', 'alter table real rename to session'],
  },
  {
    code: 'table-kind',
    what: 'a foreign table',
    make: [
      'drop table session',
      'create extension file_fdw',
      'create server file foreign data wrapper file_fdw',
      `create foreign table session (sid varchar not null, sess json not null, expire timestamp(6) not null)
        server file options (filename '/dev/null')`,
    ],
    undo: [
      'drop foreign table session',
      'create table session (sid varchar primary key, sess json not null, expire timestamp(6) not null)',
      'create index on session (expire)',
    ],
  },
  { code: 'table-unlogged', what: 'an unlogged table', make: ['alter table session set unlogged'] },
  {
    code: 'table-partitioned',
    what: 'a partitioned table',
    make: [
      'drop table session',
      `create table session (sid varchar primary key, sess json not null, expire timestamp(6) not null)
        partition by hash (sid)`,
      'create table part partition of session for values with (modulus 1, remainder 0)',
      'create index on session (expire)',
    ],
    undo: [
      'drop table session',
      'create table session (sid varchar primary key, sess json not null, expire timestamp(6) not null)',
      'create index on session (expire)',
    ],
  },
  {
    code: 'table-inherited',
    what: 'a table with heirs',
    make: ['create table heir () inherits (session)'],
    fix: /alter table public\.heir no inherit/,
  },
  {
    code: 'table-inherited',
    what: 'a table that inherits',
    make: ['create table parent ()', 'alter table session inherit parent'],
    undo: ['alter table session no inherit parent'],
  },
  {
    code: 'row-security',
    what: 'row level security',
    make: ['alter table session enable row level security', 'create policy mine on session using (true)'],
  },
  {
    code: 'trigger',
    what: 'a trigger',
    make: [
      `create function nothing() returns trigger language plpgsql as 'begin return new; end'`,
      'create trigger "Odd ""one""" before insert on session for each row execute procedure nothing()',
    ],
  },
  {
    code: 'rule',
    what: 'a rule',
    make: ['create rule keep as on delete to session do instead nothing'],
  },
  {
    code: 'referenced',
    what: 'a foreign key that keeps rows',
    make: ['create table visit (sid varchar references session on delete restrict deferrable)'],
    fix: /add constraint .* references session\(sid\) on delete cascade deferrable not valid;\nalter table public\.visit validate constraint/i,
  },
  {
    code: 'referenced',
    what: 'a foreign key of a partitioned table',
    make: [
      'create table visit (sid varchar references session) partition by hash (sid)',
      'create table visit_0 partition of visit for values with (modulus 1, remainder 0)',
    ],
    fix: /^alter table public\.visit drop constraint .*, add constraint .* on delete cascade;$/i,
  },
  {
    code: 'read-only',
    what: 'a database that is read only',
    make: ['alter database current set default_transaction_read_only = on'],
  },
  {
    code: 'statement-timeout',
    what: 'a statement_timeout that is short',
    make: [`alter database current set statement_timeout = '9s'`],
  },
  {
    code: 'lock-timeout',
    what: 'a lock_timeout that is short, of a role',
    make: [`alter role current_user set lock_timeout = '2s'`],
    fix: /alter role "postgres" set lock_timeout/,
    after: ['alter role current_user reset lock_timeout'],
  },
  {
    code: 'idle-session-timeout',
    what: 'an idle_session_timeout that is short, of a role in a database',
    make: [`alter role current_user in database current set idle_session_timeout = '30s'`],
    fix: /alter role "postgres" in database/,
  },
  {
    code: 'synchronous-commit',
    what: 'synchronous_commit that is off',
    make: ['alter database current set synchronous_commit = off'],
  },
  {
    code: 'fsync',
    what: 'fsync that is off',
    make: ['alter system set fsync = off', 'select pg_reload_conf()'],
    after: ['alter system reset fsync', 'select pg_reload_conf()'],
  },
  {
    code: 'time-zones',
    what: 'another role in another TimeZone',
    make: [
      `create role other_zone`,
      'grant select on session to other_zone',
      `alter role other_zone set timezone = 'Asia/Kolkata'`,
    ],
    fix: /alter role "other_zone" set timezone = 'America\/St_Johns'/,
    after: ['drop owned by other_zone', 'drop role other_zone'],
  },
  {
    code: 'time-zones',
    what: 'a role in another TimeZone in this database only',
    make: [
      `create role other_zone`,
      'grant select on session to other_zone',
      `alter role other_zone in database current set timezone = 'UTC'`,
    ],
    fix: /alter role "other_zone" in database "doctor"/,
    after: ['drop owned by other_zone', 'drop role other_zone'],
  },
  {
    code: 'time-zones',
    what: 'a TimeZone of this role alone',
    make: [`alter role current_user set timezone = 'Asia/Tokyo'`],
    fix: /alter database "doctor" set timezone = 'Asia\/Tokyo'/,
    after: ['alter role current_user reset timezone'],
  },
  {
    code: 'connections-needed',
    what: 'more processes than the database lets connect',
    make: ['alter database current connection limit 30'],
    flags: ['--processes', '8'],
    fix: /connection limit 60/,
  },
  {
    code: 'connections-used',
    what: 'connections that are nearly used up',
    make: ['alter database current connection limit 1'],
    undo: ['alter database current connection limit -1'],
  },
  {
    code: 'row-not-object',
    what: 'a row that holds an array',
    make: [`insert into session values ('a', '[]', now() + '1 day')`],
  },
  {
    code: 'row-not-object',
    what: 'a row that holds a number',
    make: [`insert into session values ('a', '1', now() + '1 day')`],
  },
  {
    code: 'row-without-cookie',
    what: 'a session without a cookie',
    make: [`insert into session values ('a', '{}', now() + '1 day')`],
  },
  {
    code: 'row-without-cookie',
    what: 'one session without a cookie, behind thousands of others',
    make: [
      `insert into session select n::text, '{"cookie":{}}', now() + '1 day' from generate_series(1, 4000) n`,
      `insert into session values ('a', '{"deep":{}}', now() + '1 day')`,
    ],
  },
  {
    code: 'row-without-cookie',
    what: 'sessions without a cookie, with characters that the server cannot decode',
    make: [
      `insert into session values ('a', '{"x":"\\u0000"}', now() + '1 day'), ('b', '{"cookie":null,"\\ud800":1}', now() + '1 day')`,
    ],
  },
  {
    code: 'row-not-object',
    what: 'a row that holds a string in which there is no session',
    make: [`insert into session values ('a', '"no session"', now() + '1 day')`],
  },
  {
    code: 'row-not-object',
    what: 'a row that holds a number, in a column of type text beside what is no JSON',
    make: [...column('sess type text'), `insert into session values ('a', ' 12 ', now() + '1 day')`],
    beside: ['column-type'],
    more: column('sess type json using sess::json'),
  },
  {
    code: 'row-encoded-twice',
    what: 'a session whose JSON was encoded once more',
    make: [
      `insert into session select 'a', to_json('{"cookie":{},"x":"\\u0000 \\" é"}'::text), now() + '1 day'`,
    ],
  },
  {
    code: 'row-encoded-twice',
    what: 'a session whose JSON was encoded once more, beside a text that only looks like one',
    make: [
      `insert into session select 'a', to_json('{"cookie":{}}'::text), now() + '1 day'`,
      `insert into session select 'b', to_json('{oops}'::text), now() + '1 day'`,
    ],
    beside: ['row-not-object'],
    more: [`delete from session where sid = 'b'`],
  },
  {
    code: 'row-encoded-twice',
    what: 'a session whose JSON was encoded once more, in jsonb beside one that jsonb cannot hold',
    make: [
      ...column('sess type jsonb'),
      `insert into session select 'a', to_jsonb('{"cookie":{}}'::text), now() + '1 day'`,
      `insert into session select 'b', to_jsonb('{"cookie":{},"x":"\\ud83d"}'::text), now() + '1 day'`,
    ],
    beside: ['column-type'],
    more: [`delete from session where sid = 'b'`, ...column('sess type json using sess::json')],
  },
  {
    code: 'row-unreadable',
    what: 'a row that holds no JSON',
    make: [...column('sess type text'), `insert into session values ('a', 'secret text', now() + '1 day')`],
    beside: ['column-type'],
    undo: ['delete from session', ...column('sess type json using sess::json')],
  },
  {
    code: 'row-unreadable',
    what: 'a row that holds null',
    make: [...column('sess drop not null'), `insert into session values ('a', null, now() + '1 day')`],
    beside: ['column-nullable'],
    undo: ['delete from session', ...column('sess set not null')],
  },
  {
    code: 'expired-long-ago',
    what: 'rows that nobody prunes',
    make: [`insert into session values ('a', '{"cookie":{}}', now() - interval '3 hours')`],
  },
  {
    code: 'dead-rows',
    isOfStatistics: true,
    what: 'more dead rows than live ones',
    make: [
      'alter table session set (autovacuum_vacuum_threshold = 100000)',
      dead,
      'delete from session',
      'analyze session',
    ],
  },
  {
    code: 'autovacuum-off',
    what: 'a table without autovacuum',
    make: ['alter table session set (autovacuum_enabled = off)'],
  },
  {
    code: 'autovacuum-off',
    what: 'a server without autovacuum',
    make: ['alter system set autovacuum = off', 'select pg_reload_conf()'],
    after: ['alter system reset autovacuum', 'select pg_reload_conf()'],
  },
  {
    code: 'autovacuum-behind',
    isOfStatistics: true,
    what: 'an autovacuum that does not come',
    make: [dead, 'update session set expire = expire', 'analyze session'],
  },
  {
    code: 'lock-held',
    what: 'a lock on the whole table',
    make: [],
    holding: ['lock table session in access exclusive mode'],
    fix: /pg_terminate_backend/,
    beside: ['unanswered'],
  },
  {
    code: 'lock-awaited',
    what: 'a migration that waits for a transaction that does nothing',
    make: [],
    holding: ['select from session'],
    waiting: 'alter table session add column extra int',
    fix: /pg_cancel_backend/,
    beside: ['unanswered'],
  },
  {
    code: 'lock-held',
    what: 'a lock against writes',
    make: [],
    holding: ['lock table session in share mode'],
  },
  {
    code: 'long-transaction',
    what: 'a transaction that lasts',
    make: [],
    holding: [`insert into session values ('a', '{"cookie":{}}', now() + '1 day')`, 'select pg_sleep(0.2)'],
    flags: ['--long-transaction', '0'],
  },
]
