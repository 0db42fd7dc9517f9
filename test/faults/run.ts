// `npm run test:faults`: every fault at length, and README.md from what was seen.

import { writeFileSync } from 'node:fs'
import os from 'node:os'
import { within } from '../support/promise.ts'
import { type Outcome, scenarios } from './scenarios.ts'

const lines: string[] = []
let survived = 0
let failed = 0
for (const { promise, seconds, missing, run } of scenarios) {
  const reason = missing?.()
  if (reason) {
    lines.push(`| ${promise} | not run: ${reason} | | | |`)
    console.log(`– ${promise}: not run, ${reason}`)
    continue
  }
  const began = Date.now()
  try {
    const outcome = await within(seconds.long, () => run(true))
    lines.push(row(promise, outcome))
    survived++
    console.log(`✔ ${promise} (${Math.round((Date.now() - began) / 1000)} s)`)
  } catch (error) {
    failed++
    lines.push(`| ${promise} | failed | | | |`)
    console.error(`✘ ${promise}\n`, error)
  }
}
writeFileSync(
  new URL('README.md', import.meta.url),
  `# Faults

What the store goes through, with 64 users at work, half of them over HTTP: each checks every answer, and at the end every
row. Any answer that cannot be, lost save, second callback or error that escapes is a failure of the run.

Written by \`npm run test:faults\` on ${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${os.cpus().length} cores.

| fault and promise | rounds | answers | failed | recovery |
| --- | --- | --- | --- | --- |
${lines.join('\n')}

Recovery: from the end of the fault to the first success that began after it, the longest of all rounds.
`,
)
console.log(`${survived} faults survived, ${failed} not`)
process.exitCode = failed === 0 ? 0 : 1
// What a fault leaves open would hold an app as well.
setTimeout(() => {
  console.error('The faults are over but the process does not end: something is left open')
  process.exit(1)
}, 20_000).unref()

function row(promise: string, { rounds, report, recoveryMs }: Outcome): string {
  const failures = Object.entries(report.failed).map(([code, count]) => `${count} ${code}`)
  const recovery = recoveryMs === undefined ? '' : `${recoveryMs} ms`
  return `| ${promise} | ${rounds} | ${report.answered} | ${failures.join(', ') || '0'} | ${recovery} |`
}
