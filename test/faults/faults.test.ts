// The faults of test/faults, each for a few seconds. `npm run test:faults` takes minutes.

import { promises, within } from '../support/promise.ts'
import { type Scenario, scenarios } from './scenarios.ts'
import { sideBySide } from './side-by-side.ts'

const test = promises('faults')

const show = async ({ promise, over, seconds, missing, run }: Scenario) => {
  const reason = missing?.()
  if (reason) console.log(`Not run: ${promise}, over ${over}: ${reason}`)
  else await within(seconds.short, () => run(false))
}

let outcomes: Promise<void>[] | undefined
for (const [i, scenario] of scenarios.entries()) {
  test(
    `${scenario.promise}, over ${scenario.over}`,
    () => {
      outcomes ??= sideBySide(
        2,
        scenarios.map((each) => () => show(each)),
      )
      return outcomes[i]
    },
    // Each has a limit of its own; this is that of those before it as well.
    { seconds: 600 },
  )
}
