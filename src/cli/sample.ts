// Chooses which part of a table is read to tell what its rows are like. Promises to read all of a small table
// and some pages of a large one. Must not know what is read.

import type { Pool } from '../connection/pool.ts'
import { ask } from './ask.ts'

export interface Sample {
  /** Follows the table in `from`. */
  readonly clause: string
  /** How much of the table it is, up to 1. */
  readonly share: number
}

/** Begins a statement: `part` has the oid of the table `$1`, of its partitions and of what inherits from it. */
export const WITH_PARTS = `
  with recursive part(oid) as (
    select $1::text::regclass::oid
    union
    select i.inhrelid from pg_catalog.pg_inherits i join part p on p.oid = i.inhparent
  )`

const SIZE = `${WITH_PARTS}
  select (select c.relkind from pg_catalog.pg_class c where c.oid = $1::text::regclass)::text,
    (sum(pg_catalog.pg_relation_size(p.oid)) / pg_catalog.current_setting('block_size')::int)::text
  from part p`

/**
 * @param table quoted for SQL
 * @param pages how many to read at most, of 8 KB each
 */
export async function sampleOf(pool: Pool, table: string, pages: number): Promise<Sample> {
  const [[kind, size] = []] = await ask(pool, SIZE, [table], 10_000)
  const share = Math.min(1, pages / Math.max(1, Number(size)))
  // Views and foreign tables cannot be sampled.
  if (share === 1 || !['r', 'm', 'p'].includes(String(kind))) return { clause: '', share: 1 }
  return { clause: `tablesample system (${100 * share})`, share }
}
