// The command `doctor`: shows what is found, and runs the repairs that are safe, after asking. Promises to
// change nothing without `--fix`. Must not know the checks.

import type { Pool } from '../connection/pool.ts'
import { StoreError } from '../errors.ts'
import { change, connected } from './ask.ts'
import { isHopeless } from './attempts.ts'
import { ADMIN, type Command, type ExitCode, type FlagValues } from './command.ts'
import { cancelStatements, settingsOf, withContact } from './contact.ts'
import type { Finding, Repairable, Severity } from './doctor/check.ts'
import { examine, type Wanted } from './doctor/examine.ts'
import { userIndexProbe } from './doctor/user-index.ts'
import { printable, type Screen, type Style, wrapped } from './screen.ts'
import { checkAdminUrl } from './services.ts'
import { checkNeeds, wholeNumber } from './usage.ts'

const STYLES: Readonly<Record<Severity, Style>> = { error: 'red', warning: 'yellow', note: 'cyan' }
const ORDER: readonly Severity[] = ['error', 'warning', 'note']

// An index on a large table takes its time.
const REPAIR_MS = 12 * 3600 * 1000

export const doctor: Command = {
  name: 'doctor',
  says: 'Looks for what is wrong with the table, the server and the way to it. Reads only.',
  flags: {
    fix: { says: 'run the repairs that block nobody and lose nothing, after asking' },
    yes: { says: 'do not ask' },
    processes: { value: 'NUMBER', says: 'how many processes use the store, to see whether they can connect' },
    max: { value: 'NUMBER', says: 'the `max` of each of them; default: 4' },
    'user-index': { says: 'look for the index on user ids as well' },
    'user-path': { value: 'PATH', says: 'where the id stands in a session, by dots; default: passport.user' },
    'long-transaction': { value: 'SECONDS', says: 'from when on a transaction is long; default: 300' },
    ...ADMIN,
  },
  async run(values, screen) {
    checkNeeds(values, 'yes', 'fix')
    checkNeeds(values, 'max', 'processes')
    checkNeeds(values, 'user-path', 'user-index')
    const wanted = {
      processes: String(wholeNumber(values, 'processes', 1) ?? ''),
      max: String(wholeNumber(values, 'max', 1) ?? 4),
      longSeconds: String(wholeNumber(values, 'long-transaction', 0) ?? 300),
    }
    if (values['fix'] && !values['yes']) screen.checkAskable()
    await checkAdminUrl(values, screen.interruption)
    let findings = await examined(values, wanted, screen)
    if (values['fix'] && (await repair(findings, values, screen)))
      findings = await examined(values, wanted, screen)
    if (values['json']) screen.json({ findings: findings.map(plain) })
    else show(findings, screen)
    return codeFor(findings)
  },
}

async function examined(values: FlagValues, wanted: Wanted, screen: Screen): Promise<Repairable[]> {
  const more = values['user-index'] ? [userIndexProbe] : []
  const findings = await examine(settingsOf(values, screen.interruption), wanted, more, () =>
    cancelStatements(values),
  )
  // Who gives another role for changes knows that this one may make none.
  const relevant = values['admin-url'] ? findings.filter(({ code }) => code !== 'right-ddl') : findings
  return relevant.sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity))
}

/** Notes are no reason to fail. */
const codeFor = (findings: readonly Finding[]): ExitCode =>
  findings.some(({ severity }) => severity !== 'note') ? 1 : 0

const plain = ({ code, severity, expected, found, meaning, fix }: Finding): Finding => ({
  code,
  severity,
  expected,
  found,
  meaning,
  fix,
})

/** @returns whether anything was run */
async function repair(findings: readonly Repairable[], values: FlagValues, screen: Screen): Promise<boolean> {
  const safe = findings.filter(({ isSafe, statements }) => isSafe && statements.length > 0)
  const statements = safe.flatMap((finding) => finding.statements)
  if (statements.length === 0) {
    screen.remark('There is nothing that can be repaired now without a decision of yours.')
    return false
  }
  for (const statement of statements) screen.remark(`  ${printable(statement)};`)
  const question = statements.length === 1 ? 'Run this statement?' : 'Run these statements?'
  if (!(await screen.confirm(question, values['yes'] === true))) return false
  const run: string[] = []
  const sayRun = (more = '') => {
    const verb = run.length === 1 ? 'was' : 'were'
    const all = `${statements.length} ${statements.length === 1 ? 'statement' : 'statements'}`
    screen.caveat = `${run.length} of ${all} ${verb} run. ${more}`
    if (run.length > 0) screen.achieved = `Run before this error: ${run.join(' ')}`
  }
  const sayUnfinished = () =>
    run.length < statements.length
      ? sayRun('An index whose building did not end is not valid; the same command finds it.')
      : sayRun()
  await withContact(settingsOf(values, screen.interruption, true), async ({ pool }) => {
    for (const finding of safe) {
      sayUnfinished()
      // A server that restarts is waited for.
      await connected(pool)
      await repairOne(pool, finding, screen, (statement) => {
        run.push(`${printable(statement)};`)
        sayUnfinished()
      })
    }
    screen.endProgress()
    // Its restart would keep the doctor from looking again.
    await connected(pool).catch(() => {})
  })
  sayRun()
  return true
}

const isSame = (one: Repairable, other: Repairable): boolean =>
  one.code === other.code && one.index === other.index && one.statements.length === other.statements.length

/**
 * One that fails keeps no other from being repaired. It is found again afterwards.
 * @param onRun gets each statement that was run
 */
async function repairOne(
  pool: Pool,
  finding: Repairable,
  screen: Screen,
  onRun: (statement: string) => void,
): Promise<void> {
  const { code, statements, again } = finding
  const leave = (text: string) => {
    screen.endProgress()
    screen.remark(printable(text))
  }
  try {
    // What was found can be long ago: somebody may have repaired it since, or have begun to.
    const found = await again?.(pool)
    if (!found?.some((other) => isSame(finding, other)))
      return leave(
        `Not run, as it is not called for any more, or somebody works on the table: ${statements.join('; ')}`,
      )
    for (const statement of statements) {
      screen.progress(`Running: ${printable(statement)}`)
      await change(pool, statement, REPAIR_MS)
      onRun(statement)
    }
  } catch (error) {
    if (!(error instanceof StoreError) || isHopeless(error)) throw error
    leave(`The repair of ${code} failed: ${error.message}`)
  }
}

function show(findings: readonly Finding[], screen: Screen): void {
  for (const { code, severity, expected, found, meaning, fix } of findings) {
    screen.line(`${screen.paint(STYLES[severity], severity)}  ${screen.paint('bold', code)}`)
    const parts = { expected, found, means: meaning, repair: fix }
    for (const [name, text] of Object.entries(parts)) {
      if (text === null) continue
      // A statement is to be copied, so it is not broken.
      const lines = name === 'repair' ? text.split('\n') : wrapped(text, screen.width - 12)
      const label = screen.paint('dim', name.padEnd(10))
      lines.forEach((line, i) => {
        screen.line(`  ${i === 0 ? label : ' '.repeat(10)}${printable(line)}`)
      })
    }
    screen.line()
  }
  screen.line(summaryOf(findings, screen))
}

function summaryOf(findings: readonly Finding[], screen: Screen): string {
  if (findings.length === 0) return screen.paint('green', 'Nothing was found: all is as it should be.')
  const counts = ORDER.map((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length
    return count === 1 ? `1 ${severity}` : `${count} ${severity}s`
  })
  return `${counts.join(', ')}. docs/command-line.md explains each code.`
}
