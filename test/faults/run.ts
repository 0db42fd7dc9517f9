// `npm run test:faults`: every fault at length, and README.md from what was seen.

import { writeFileSync } from 'node:fs'
import os from 'node:os'
import { within } from '../support/promise.ts'
import type { Outcome } from './bench.ts'
import { type Scenario, scenarios } from './scenarios.ts'
import { sideBySide } from './side-by-side.ts'

const count = { survived: 0, failed: 0 }

/** Runs it, and gives its line. */
async function line({ promise, over, seconds, missing, run }: Scenario): Promise<string> {
  const reason = missing?.()
  if (reason) {
    console.log(`– ${promise}, over ${over}: not run, ${reason}`)
    return `| ${promise} | ${over} | not run: ${reason} | | | |`
  }
  const began = Date.now()
  try {
    const outcome = await within(seconds.long, () => run(true))
    count.survived++
    console.log(`✔ ${promise}, over ${over} (${Math.round((Date.now() - began) / 1000)} s)`)
    return row(promise, over, outcome)
  } catch (error) {
    count.failed++
    console.error(`✘ ${promise}, over ${over}\n`, error)
    return `| ${promise} | ${over} | failed | | | |`
  }
}

const lines = await Promise.all(
  sideBySide(
    2,
    scenarios.map((scenario) => () => line(scenario)),
  ),
)
const today = new Date().toISOString().slice(0, 10)
writeFileSync(
  new URL('README.md', import.meta.url),
  `# Faults

What the store goes through, over plaintext and over TLS, with 64 users at work, half of them over HTTP:
each checks every answer, and at the end every row. Any answer that cannot be, lost save, second callback or
error that escapes is a failure of the run. Store and users are a process of their own that catches nothing.
Two faults run at a time.

Written by \`npm run test:faults\` on ${today}, Node ${process.version}, ${os.cpus().length} cores.

| fault and promise | over | rounds | answers | failed | recovery |
| --- | --- | --- | --- | --- | --- |
${lines.join('\n')}

Recovery: from the end of the fault to the first success that began after it, the longest of all rounds.
`,
)
console.log(`${count.survived} faults survived, ${count.failed} not`)
process.exitCode = count.failed === 0 ? 0 : 1
// What a fault leaves open would hold an app as well.
setTimeout(() => {
  console.error('The faults are over but the process does not end: something is left open')
  process.exit(1)
}, 20_000).unref()

function row(promise: string, over: string, { rounds, report, recoveryMs }: Outcome): string {
  const failures = Object.entries(report.failed).map(([code, count]) => `${count} ${code}`)
  const recovery = recoveryMs === undefined ? '' : `${recoveryMs} ms`
  return `| ${promise} | ${over} | ${rounds} | ${report.answered} | ${failures.join(', ') || '0'} | ${recovery} |`
}
