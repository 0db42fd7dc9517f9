// Looks at what rows hold: those that look wrong to the server, read as the store reads them, and the oldest expiry.
// Promises to show nothing of a session. Must not know how rows are written.

import type { SessionData } from 'express-session'
import { now } from '../../clock.ts'
import type { Pool } from '../../connection/pool.ts'
import { parse } from '../../session/text.ts'
import { may } from '../../table/rights.ts'
import { pieces } from '../../table/sql.ts'
import { sampleOf } from '../sample.ts'
import { number } from '../screen.ts'
import { type Question, question, type Repairable, type Severity } from './check.ts'
import { ask, type Probe, repairable } from './probe.ts'
import { type RowRepairs, rowRepairs, SESS } from './row-repairs.ts'

// Of 8 KB each.
const PAGES = 1000
// So many are read by the store's own rules, first those that are none by their look.
const ROWS = 500
const LOOKS_RIGHT = '^\\s*\\{.*"cookie"\\s*:\\s*\\{'
// Larger sessions are left out: they would take long to fetch.
const MAX_BYTES = 100_000

/** Waits longer than the stores do: connect-pg-simple prunes every quarter of an hour. */
const LONG_AGO_S = 3600

/** Whether rows can be read, and whether somebody's lock would have to be waited for. */
export const READABLE: Question = question(
  ['oid'],
  ($) => `
  select (
    pg_catalog.has_schema_privilege(c.relnamespace, 'usage')
    and ${may('c.oid', 'select')}
    and (
      select count(*) from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attname in ('sid', 'sess', 'expire') and not a.attisdropped
    ) = 3
  )::text, exists (
    select from pg_catalog.pg_locks l
    where l.relation = c.oid and l.mode = 'AccessExclusiveLock' and l.pid <> pg_catalog.pg_backend_pid()
  )::text
  from pg_catalog.pg_class c
  where c.oid = ${$.oid}::oid`,
)

type Trouble = 'row-unreadable' | 'row-not-object' | 'row-without-cookie' | 'row-encoded-twice'

interface Said {
  readonly severity: Severity
  readonly expected: string
  readonly meaning: string
  /** How it is repaired, if at all. */
  readonly repair?: keyof RowRepairs
}

const SAID: Readonly<Record<Trouble, Said>> = {
  'row-unreadable': {
    severity: 'error',
    expected: 'JSON in "sess"',
    meaning:
      'The request of such a user fails with `STORE_SESSION`; connect-pg-simple takes the row for none. It ' +
      'may be right if a `serializer` writes it. If not, find who writes here, and delete the rows.',
  },
  'row-not-object': {
    severity: 'error',
    expected: 'a JSON object in "sess"',
    meaning:
      'The request of such a user fails with `STORE_SESSION`, or in express-session. Neither store writes ' +
      'such rows, unless a `serializer` does.',
    repair: 'notObject',
  },
  'row-without-cookie': {
    severity: 'warning',
    expected: 'the property "cookie" in every session',
    meaning:
      'express-session fails on such a session, so the request of its user does, with both stores. Neither ' +
      'store writes such rows, unless a `serializer` does, as one that encrypts.',
    repair: 'withoutCookie',
  },
  'row-encoded-twice': {
    severity: 'warning',
    expected: 'a JSON object in "sess"',
    meaning:
      'The session is a JSON text in a JSON string. Both stores read it as a session, but `entriesByUser` and ' +
      '`destroyByUser` do not find its user, so that a logout everywhere leaves it. Neither store writes such ' +
      'rows, unless a `serializer` does.',
    repair: 'encodedTwice',
  },
}

export const rows: Probe = {
  codes: ['row-unreadable', 'row-not-object', 'row-without-cookie', 'row-encoded-twice'],
  async look({ pool, settings, subject }) {
    const { texts, looked } = await someTexts(pool, subject.table)
    const troubles = texts.flatMap(
      (text) => troubleOf(text, (given) => parse(given, settings.serializer)) ?? [],
    )
    const atLeast = troubles.length === ROWS ? 'at least ' : ''
    const [column = []] = await ask(pool, SESS.text, [subject.facts.oid])
    const repairs = rowRepairs(column, subject.table)
    return [...new Set(troubles)].map((code): Repairable => {
      const { repair, ...said } = SAID[code]
      const count = troubles.filter((other) => other === code).length
      const found = `${atLeast}${number(count)} of the ${number(looked)} rows looked at have none`
      return repairable({ code, ...said, found }, repair && repairs[repair])
    })
  },
}

/** Rows of a small table, or of some pages of a large one, and of how many they were chosen. */
async function someTexts(pool: Pool, table: string): Promise<{ texts: (string | null)[]; looked: number }> {
  const { clause } = await sampleOf(pool, table, PAGES)
  const found = await ask(
    pool,
    `
    select s.sess::text, (count(*) over ())::text
    from ${table} s ${clause}
    where pg_catalog.pg_column_size(s.sess) < ${MAX_BYTES} or s.sess is null
    order by s.sess::text ~ '${LOOKS_RIGHT}' nulls first
    limit ${ROWS}`,
  )
  return { texts: found.map(([text]) => text as string | null), looked: Number(found[0]?.[1] ?? 0) }
}

function troubleOf(
  text: string | null,
  read: (text: string) => SessionData | Promise<SessionData>,
): Trouble | undefined {
  if (text === null) return 'row-unreadable'
  try {
    const session = read(text) as SessionData
    if (typeof session.cookie !== 'object' || session.cookie === null) return without(session)
    return typeof JSON.parse(text) === 'string' ? 'row-encoded-twice' : undefined
  } catch {
    return isJson(text) ? 'row-not-object' : 'row-unreadable'
  }
}

const without = (session: object): Trouble =>
  Array.isArray(session) ? 'row-not-object' : 'row-without-cookie'

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

export const expired: Probe = {
  codes: ['expired-long-ago'],
  async look({ pool, subject }) {
    const oldest = `(select min(s.expire) from ${subject.table} s) as s(expire)`
    const [row] = await ask(pool, `select ${pieces().epoch} from ${oldest}`)
    const sinceS = now() - Number(row?.[0] ?? Number.POSITIVE_INFINITY)
    if (!(sinceS > LONG_AGO_S)) return []
    return [
      repairable(
        {
          code: 'expired-long-ago',
          severity: 'warning',
          expected: 'expired rows that are deleted within the hour',
          found: Number.isFinite(sinceS)
            ? `one that expired ${number(sinceS / 60)} minutes ago`
            : 'one with the expiry -infinity',
          meaning:
            'Nobody prunes: no service is running, or all have `pruneSessionInterval: false`. Or something ' +
            'keeps rows, as a trigger, a policy or a foreign key. The command `prune` deletes them in ' +
            'batches.',
        },
        [`delete from ${subject.table} where "expire" < now()`],
      ),
    ]
  },
}
