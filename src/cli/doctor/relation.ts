// Checks of what kind of table it is, and of what else is attached to it. Must not know its columns.

import { type Check, nothing, type Question, question } from './check.ts'

/** Asks about the row of pg_class. */
/** With the schema: a repair can run under another role, with another search_path. */
const nameOf = (oid: string): string => `(
        select pg_catalog.format('%I.%I', n.nspname, other.relname)
        from pg_catalog.pg_class other join pg_catalog.pg_namespace n on n.oid = other.relnamespace
        where other.oid = ${oid})`

const relation = (columns: string, condition: string): Question =>
  question(
    ['oid'],
    ($) => `
    select ${columns} from pg_catalog.pg_class c where c.oid = ${$.oid}::oid and ${condition}`,
  )

const KINDS: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
}

export const relationChecks: readonly Check[] = [
  {
    code: 'table-kind',
    severity: ([kind]) => (kind === 'v' ? 'warning' : 'error'),
    question: relation('c.relkind::text', `c.relkind in ('v', 'm', 'f')`),
    expected: 'a table',
    found: ([kind]) => KINDS[kind as string] as string,
    meaning: ([kind]) =>
      kind === 'v'
        ? 'Works as far as the view passes on inserts with `on conflict`, updates, deletes and row ' +
          'locks. Give the stores the table itself.'
        : 'Neither store can save sessions in it: it takes no `on conflict`.',
    fix: nothing,
  },
  {
    code: 'table-unlogged',
    severity: 'warning',
    question: relation('c.relname::text', `c.relpersistence = 'u'`),
    expected: 'a logged table',
    found: () => 'an unlogged table',
    meaning:
      'A crash of the server empties it, and a standby has none of it: all users are logged out, whichever ' +
      'store they are on.',
    fix: (_, { table }) => [`alter table ${table} set logged`],
  },
  {
    code: 'table-partitioned',
    severity: 'note',
    question: relation('pg_catalog.pg_get_partkeydef(c.oid)', `c.relkind = 'p'`),
    expected: 'one table',
    found: ([key]) => `a table partitioned by ${key}`,
    meaning:
      'Works if the key is "sid" alone, as a unique index must contain it. Prunes go by the expiry only, ' +
      'not by pages, which is slower when much has expired.',
    fix: nothing,
  },
  {
    code: 'table-inherited',
    severity: 'warning',
    question: question(
      ['oid'],
      ($) => `
      select ${nameOf('i.inhrelid')}
      from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhparent
      where c.oid = ${$.oid}::oid and c.relkind = 'r'
      union all
      select null
      from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
      where c.oid = ${$.oid}::oid and c.relkind = 'r'
        and not (pg_catalog.to_json(c) ->> 'relispartition')::boolean`,
    ),
    expected: 'a table without heirs or parents',
    found: ([child]) => (child ? `${child} inherits from it` : 'it inherits from another table'),
    meaning:
      'Unique indexes hold for each table by itself, so a sid can be in both, and a request may get either ' +
      'session.',
    fix: ([child], { table }) => (child ? [`alter table ${child} no inherit ${table}`] : nothing()),
  },
  {
    code: 'row-security',
    severity: 'warning',
    question: relation(
      `pg_catalog.row_security_active(c.oid)::text,
      (select count(*) from pg_catalog.pg_policy p where p.polrelid = c.oid)::text`,
      'c.relrowsecurity',
    ),
    expected: 'no row level security',
    found: ([isActive, policies]) =>
      `${policies} policies, which ${isActive === 'true' ? 'apply' : 'do not apply'} to this role`,
    meaning:
      'Rows that a policy hides are no sessions, and those that it protects cannot be saved, destroyed or ' +
      'pruned (`STORE_KEPT`). With no policy, a role that is not the owner has no sessions at all.',
    fix: (_, { table }) => [`alter table ${table} disable row level security`],
  },
  {
    code: 'trigger',
    severity: 'warning',
    question: question(
      ['oid'],
      ($) => `
      select pg_catalog.quote_ident(t.tgname), t.tgfoid::regprocedure::text
      from pg_catalog.pg_trigger t
      where t.tgrelid = ${$.oid}::oid and not t.tgisinternal and t.tgenabled <> 'D'`,
    ),
    expected: 'no trigger',
    found: ([name, called]) => `${name}, which calls ${called}`,
    meaning:
      'It runs at every save or touch of either store. One that raises an error or returns null keeps ' +
      'sessions from being saved or pruned (`STORE_KEPT`).',
    fix: ([name], { table }) => [`alter table ${table} disable trigger ${name}`],
  },
  {
    code: 'rule',
    severity: 'warning',
    question: question(
      ['oid'],
      ($) => `
      select pg_catalog.quote_ident(r.rulename),
        case r.ev_type when '2' then 'update' when '3' then 'insert' else 'delete' end
      from pg_catalog.pg_rewrite r
      where r.ev_class = ${$.oid}::oid and r.ev_type <> '1' and r.ev_enabled <> 'D'`,
    ),
    expected: 'no rule',
    found: ([name, event]) => `${name}, on ${event}`,
    meaning:
      'It rewrites the statements of both stores: what they save or delete may not be what they meant to.',
    fix: ([name], { table }) => [`alter table ${table} disable rule ${name}`],
  },
  {
    code: 'referenced',
    severity: 'warning',
    question: question(
      ['oid'],
      ($) => `
      select ${nameOf('k.conrelid')}, pg_catalog.quote_ident(k.conname),
        pg_catalog.pg_get_constraintdef(k.oid),
        pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid),
          '( ON DELETE RESTRICT)?( DEFERRABLE.*| NOT VALID.*)?$', ' ON DELETE CASCADE\\2'),
        (k.convalidated and (
          select other.relkind <> 'p' from pg_catalog.pg_class other where other.oid = k.conrelid
        ))::text
      from pg_catalog.pg_constraint k
      where k.confrelid = ${$.oid}::oid and k.contype = 'f' and k.confdeltype in ('a', 'r')
        -- Not once more for each partition. PostgreSQL 10 has no such column.
        and coalesce(pg_catalog.to_json(k) ->> 'conparentid', '0') = '0'
        -- One that is not enforced, as from PostgreSQL 18 on, keeps no row.
        and coalesce(pg_catalog.to_json(k) ->> 'conenforced', 'true') = 'true'`,
    ),
    expected: 'foreign keys on the table only with `on delete cascade` or `set null`',
    found: ([table, name, definition]) => `${name} of ${table}: ${definition}`,
    meaning:
      'A session with a row there cannot be destroyed: the logout fails with 23503. This store prunes the ' +
      'other rows, connect-pg-simple none.',
    // In one statement, so that it is never gone. Another one reads the rows, beside the traffic; a partitioned
    // table cannot have it so before PostgreSQL 18.
    fix: ([table, name, , cascading, isValidated]) => [
      `alter table ${table} drop constraint ${name}, ` +
        `add constraint ${name} ${cascading}${isValidated === 'true' ? ' not valid' : ''}`,
      ...(isValidated === 'true' ? [`alter table ${table} validate constraint ${name}`] : []),
    ],
  },
]
