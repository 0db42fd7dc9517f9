// Looks for the index on user ids, where it is wanted. Must not know how it is defined.

import { monotonicMs } from '../../clock.ts'
import { quoted } from '../../table/names.ts'
import { Table } from '../../table/table.ts'
import { UserRows } from '../../table/user-rows.ts'
import { isBuilding, isBusy, OR_BUILT } from './building.ts'
import { canRebuild, concurrently, question, type Repairable } from './check.ts'
import { ask, type Probe, repairable } from './probe.ts'

/**
 * Indexes of the table that are named as those on user ids are: table, then a digest of the path. And whether
 * somebody may be building one that is there, or one that is not.
 */
const AROUND = question(
  ['oid'],
  ($) => `
  select pg_catalog.string_agg(pg_catalog.quote_ident(c.relname), ', '),
    ${isBusy($.oid)}::text, ${isBuilding($.oid)}::text
  from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
  where i.indrelid = ${$.oid}::oid and c.relname ~ '^IDX_.*_user_[0-9a-f]{8}$'`,
)

// Of pg_class: a table, and a partitioned one. A view can have no index.
const TABLES = ['r', 'p']

const SEARCH =
  '`entriesByUser`, `idsByUser` and `destroyByUser`, and the commands `sessions` and `logout`, read the whole ' +
  'table. connect-pg-simple has nothing like them.'

export const userIndexProbe: Probe = {
  codes: ['user-index-missing', 'user-index-invalid', 'user-index-path'],
  async look({ pool, settings, subject }) {
    if (!TABLES.includes(subject.kind)) return []
    // With the schema in which the table was found: a repair can run under another role, with another
    // search_path.
    const here = { ...settings, tableName: subject.facts.name, schemaName: subject.schema }
    const index = await new UserRows(new Table(here, pool), here).index(monotonicMs() + 10_000)
    const create = concurrently(subject) ? index.createConcurrently : index.create
    const drop = `drop index concurrently ${quoted(subject.schema)}.${quoted(index.name)}`
    const rebuilt = canRebuild(subject) ? [index.rebuild] : [drop, create]
    const [[state] = []] = await ask(pool, index.look)
    if (state === 'valid') return []
    const [[others, busy, building] = []] = await ask(pool, AROUND.text, [subject.facts.oid])
    const path = settings.userIdPath.join('.')
    const common = {
      severity: 'warning',
      expected: `an index on user ids at ${path}: ${index.name}`,
    } as const
    const found = (code: string, text: string, meaning: string, fix: readonly string[]): Repairable => {
      return repairable({ code, ...common, found: text, meaning }, fix, concurrently(subject) !== '')
    }
    if (state === 'invalid' && busy === 'true') {
      // To build it anew would end that build by a deadlock, or do the same again after it.
      const text = 'it is invalid, and somebody works on the table, as a build does'
      return [{ ...found('user-index-invalid', text, SEARCH, []), index: index.name }]
    }
    if (state === 'invalid') {
      const meaning = `Its building did not end. ${SEARCH} Every save keeps it up for nothing.`
      // Of a partitioned table it would build the indexes of the partitions, and leave this one invalid.
      const fix = concurrently(subject) ? rebuilt : []
      return [{ ...found('user-index-invalid', 'it is invalid', meaning, fix), index: index.name }]
    }
    const more = building === 'true' ? OR_BUILT : ''
    const fix = building === 'true' ? [] : [create]
    if (!others) return [found('user-index-missing', `none${more}`, SEARCH, fix)]
    const meaning =
      `${SEARCH} An index serves the path that it was made for only: give the path by --user-path, or drop ` +
      'the other one if no service has its `userIdPath`.'
    return [found('user-index-path', `for another path: ${others}${more}`, meaning, fix)]
  },
}
