// Asks everything in turn. Promises that a question which fails hides no other: it becomes a note of its own,
// and that an index has one finding. Must not know how findings are shown.

import { monotonicMs } from '../../clock.ts'
import { Pool } from '../../connection/pool.ts'
import { codeOf, type StoreError, withoutData } from '../../errors.ts'
import type { Settings } from '../../settings/settings.ts'
import { names, partsOf, quoted } from '../../table/names.ts'
import { Counters } from '../../tracing/counters.ts'
import { activityChecks } from './activity.ts'
import { type Check, type Facts, findingOf, type Question, type Repairable, type Subject } from './check.ts'
import { clock } from './clock.ts'
import { columnChecks } from './columns.ts'
import { connectionChecks } from './connections.ts'
import { askHosts } from './hosts.ts'
import { indexChecks } from './indexes.ts'
import { neededIndexChecks, otherIndexChecks } from './invalid-indexes.ts'
import { missing, TABLE } from './missing.ts'
import { pooler } from './pooler.ts'
import { ask, type Probe, repairable, type Visit } from './probe.ts'
import { relationChecks } from './relation.ts'
import { rightChecks } from './rights.ts'
import { expired, READABLE, rows } from './rows.ts'
import { settingChecks } from './settings.ts'
import { tls } from './tls.ts'
import { upkeepChecks } from './upkeep.ts'
import { zones } from './zones.ts'

export type Wanted = Pick<Facts, 'longSeconds' | 'processes' | 'max'>

/**
 * @param more probes that are not always wanted
 * @param cancel ends what is still under way of a question that was given up
 * @throws StoreError if no server can be reached
 */
export async function examine(
  settings: Settings,
  wanted: Wanted,
  more: readonly Probe[],
  cancel: Visit['cancel'],
): Promise<Repairable[]> {
  settings.stop?.throwIfAborted()
  const { findings, hasPrimary } = await askHosts(settings)
  if (!hasPrimary) return [...findings]
  const openedAt = monotonicMs()
  const pool = new Pool(settings, new Counters())
  try {
    const subject = await subjectOf(pool, settings, wanted)
    const visit = { pool, settings, subject, openedAt, cancel }
    return [...findings, ...(await askAll(visit, more))]
  } finally {
    await pool.close()
  }
}

const HERE = `
  select current_user::text, pg_catalog.current_database()::text,
    pg_catalog.current_setting('server_version_num')`

async function subjectOf(pool: Pool, settings: Settings, wanted: Wanted): Promise<Subject> {
  const { table } = names(settings.tableName, settings.schemaName)
  const [schema = '', name] = partsOf(settings.tableName, settings.schemaName)
  const sought: Facts = { ...wanted, schema, name, oid: '' }
  const [[role, database, version] = []] = await ask(pool, HERE)
  const [[oid, foundIn, kind] = []] = await ask(pool, TABLE.text, parametersOf(TABLE, sought))
  return {
    facts: { ...sought, oid: oid ?? '' },
    table: foundIn ? names(name, foundIn).table : table,
    schema: foundIn ?? '',
    kind: kind ?? '',
    role: quoted(String(role)),
    database: quoted(String(database)),
    version: Number(version),
  }
}

const parametersOf = ({ parameters }: Question, facts: Facts): string[] =>
  parameters.map((name) => facts[name])

async function askAll(visit: Visit, more: readonly Probe[]): Promise<Repairable[]> {
  const { facts } = visit.subject
  const findings: Repairable[] = []
  // Two repairs of one index would undo each other, so it belongs to the finding that comes first.
  const add = (found: readonly Repairable[]) => {
    const isReported = (name: string) => findings.some(({ index }) => index === name)
    findings.push(...found.filter(({ index }) => index === undefined || !isReported(index)))
  }
  const lookEach = async (probes: readonly Probe[]) => {
    for (const probe of probes) add(await look(probe, visit))
  }
  const askEach = (checks: readonly Check[]) => lookEach(checks.map(probeOf))
  // First, as the statements of the others are open for moments only.
  await lookEach([pooler, tls, clock])
  await askEach([...settingChecks, ...connectionChecks, ...missing])
  if (!facts.oid) return findings
  await askEach([...relationChecks, ...columnChecks, ...indexChecks, ...neededIndexChecks])
  await askEach([...rightChecks, ...upkeepChecks])
  await lookEach([zones, ...more])
  await askEach([...otherIndexChecks, ...activityChecks])
  await lookEach([ofRows])
  return findings
}

/** What only the rows can tell. */
const ofRows: Probe = {
  codes: [...rows.codes, ...expired.codes],
  async look(visit) {
    const { pool, subject } = visit
    const [[isReadable, isLocked] = []] = await ask(
      pool,
      READABLE.text,
      parametersOf(READABLE, subject.facts),
    )
    if (isReadable !== 'true') return []
    // To join the queue for a lock would be to wait as long as everybody else.
    if (isLocked === 'true') return [unanswered(ofRows.codes.join(', '), LOCKED)]
    return [...(await look(rows, visit)), ...(await look(expired, visit))]
  },
}

const probeOf = (check: Check): Probe => ({
  codes: [check.code],
  async look({ pool, subject }) {
    const { question } = check
    const answer = await ask(pool, question.text, parametersOf(question, subject.facts))
    return answer.map((row) => findingOf(check, row, subject))
  },
})

async function look(probe: Probe, visit: Visit): Promise<readonly Repairable[]> {
  try {
    const again = (pool: Pool) => askOnce(probe, { ...visit, pool })
    return (await askOnce(probe, visit)).map((finding) => ({ ...finding, again }))
  } catch (error) {
    return [unanswered(probe.codes.join(', '), error)]
  }
}

async function askOnce(probe: Probe, visit: Visit): Promise<readonly Repairable[]> {
  try {
    return await probe.look(visit)
  } catch (error) {
    // The server would go on with it, or wait on, long after the doctor has ended.
    if (codeOf(error) === 'STORE_TIMEOUT') await visit.cancel()
    throw error
  }
}

const LOCKED = 'the table is locked'

/** @param reason why, or the error that came instead of the answer */
function unanswered(code: string, reason: unknown): Repairable {
  return repairable({
    code: 'unanswered',
    severity: 'note',
    expected: `an answer to what ${code} asks`,
    found: typeof reason === 'string' ? reason : (withoutData(reason) as StoreError).message,
    meaning: 'Whether this is as it should be could not be told, so nothing is said about it.',
  })
}
