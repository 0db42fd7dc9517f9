// Measures the table: how many sessions there are, when they end, how large they are, what takes the bytes,
// and how much room the table takes. Promises to read the sessions of a large table in part only. Must not
// know how the figures are shown.

import { now } from '../../clock.ts'
import type { Columns } from '../../connection/query.ts'
import { type SessForm, sessFormOf } from '../../table/sess-form.ts'
import { ask as askFor } from '../ask.ts'
import type { Contact } from '../contact.ts'
import { sampleOf, WITH_PARTS } from '../sample.ts'

/** What `stats --json` prints. Sizes are in bytes, times in ISO 8601. */
export interface Stats {
  readonly live: number
  /** They wait to be pruned. */
  readonly expired: number
  readonly oldestExpired: string | null
  /** How many sessions end within each of the next 24 hours. */
  readonly endsByHour: readonly number[]
  readonly endsLater: number
  readonly sizes: { readonly p50: number; readonly p99: number; readonly max: number } | null
  /** The keys that take the most bytes, of all top-level keys. Empty where a text cannot be told from JSON. */
  readonly keys: readonly { readonly key: string; readonly bytes: number; readonly share: number }[]
  /** What `sizes` and `keys` were told from. */
  readonly sample: { readonly rows: number; readonly share: number }
  readonly disk: { readonly table: number; readonly toast: number; readonly indexes: number }
  readonly deadRows: number
  readonly lastAutovacuum: string | null
}

const HOURS = 24
// Of 8 KB each, beside what is kept out of line.
const PAGES = 1000
const KEYS = 8

export async function measure(contact: Contact): Promise<Stats> {
  const { table } = contact.names
  const { clause, share } = await sampleOf(contact.pool, table, PAGES)
  const sampled = `${table} s ${clause}`
  const counts = await countsOf(contact, table)
  const [sizes = []] = await ask(contact, sizesOf(sampled))
  const form = sessFormOf(await contact.table.query('sessForm', () => ({}), contact.table.deadline()))
  const keysText = keysOf(sampled, form)
  const keys = keysText === undefined ? [] : await ask(contact, keysText)
  const [disk = []] = await ask(contact, DISK, [table])
  const [rows, p50, p99, max] = sizes.map(Number) as [number, number, number, number]
  const total = keys.reduce((sum, [, bytes]) => sum + Number(bytes), 0)
  return {
    ...counts,
    sizes: rows === 0 ? null : { p50, p99, max },
    keys: keys.slice(0, KEYS).map(([key, bytes]) => {
      return { key: String(key), bytes: Number(bytes), share: Number(bytes) / total }
    }),
    sample: { rows, share },
    disk: { table: Number(disk[0]), toast: Number(disk[1]), indexes: Number(disk[2]) },
    deadRows: Number(disk[3]),
    lastAutovacuum: isoOf(disk[4]),
  }
}

function ask({ pool, settings }: Contact, text: string, parameters: string[] = []): Promise<Columns[]> {
  return askFor(pool, text, parameters, settings.timeoutMs)
}

type Counts = Pick<Stats, 'live' | 'expired' | 'oldestExpired' | 'endsByHour' | 'endsLater'>

async function countsOf(contact: Contact, table: string): Promise<Counts> {
  // The bucket -1 holds those that have expired, the last one those that end later.
  const rows = await ask(
    contact,
    `
    select greatest(-1, least(${HOURS}, hour))::text, count(*)::text, min(epoch)::text
    from (
      select epoch, case when epoch < $1::text::float8 then -1
        else pg_catalog.floor((epoch - $1::text::float8) / 3600) end as hour
      from (
        select pg_catalog.date_part('epoch', s.expire::timestamptz) as epoch from ${table} s
        where s.expire is not null
      ) as e
    ) as h
    group by 1`,
    [String(now())],
  )
  const buckets = new Map(
    rows.map(([hour, count, oldest]) => [Number(hour), { count: Number(count), oldest }]),
  )
  const endsByHour = Array.from({ length: HOURS }, (_, hour) => buckets.get(hour)?.count ?? 0)
  const endsLater = buckets.get(HOURS)?.count ?? 0
  const expired = buckets.get(-1)
  return {
    live: endsByHour.reduce((sum, count) => sum + count, endsLater),
    expired: expired?.count ?? 0,
    oldestExpired: isoOf(expired?.oldest),
    endsByHour,
    endsLater,
  }
}

/** @param epoch in seconds since 1970; `-Infinity` of a row that has always been expired */
const isoOf = (epoch: string | null | undefined): string | null =>
  epoch && Number.isFinite(Number(epoch)) ? new Date(Number(epoch) * 1000).toISOString() : null

const sizesOf = (sampled: string) => `
  select count(*)::text, pg_catalog.percentile_disc(0.5) within group (order by bytes)::text,
    pg_catalog.percentile_disc(0.99) within group (order by bytes)::text, max(bytes)::text
  from (select pg_catalog.octet_length(s.sess::text) as bytes from ${sampled}) as s`

/** Every key is text, so that one with the same name twice in a session counts twice. */
function keysOf(sampled: string, form: SessForm): string | undefined {
  // Without escapes: the server refuses to decode some that both stores can save, such as that of NUL.
  const session = `pg_catalog.replace(s.sess::text, '\\u', '/u')::json`
  // Only since version 16 PostgreSQL tells JSON from other text.
  if (form === 'old text') return undefined
  const isObject =
    form === 'json' ? "pg_catalog.json_typeof(s.sess::json) = 'object'" : 's.sess::text is json object'
  return `
  select k.key, sum(pg_catalog.octet_length(k.value::text))::text
  from (select case when ${isObject} then ${session} end as sess from ${sampled}) as s
  cross join lateral pg_catalog.json_each(s.sess) as k
  group by 1
  order by sum(pg_catalog.octet_length(k.value::text)) desc, 1`
}

const DISK = `${WITH_PARTS}
  select sum(pg_catalog.pg_relation_size(c.oid))::text,
    sum(coalesce(pg_catalog.pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0))::text,
    sum(pg_catalog.pg_indexes_size(c.oid))::text, sum(coalesce(t.n_dead_tup, 0))::text,
    pg_catalog.date_part('epoch', max(t.last_autovacuum))::text
  from part p join pg_catalog.pg_class c on c.oid = p.oid
  left join pg_catalog.pg_stat_all_tables t on t.relid = c.oid`
