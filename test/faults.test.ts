// The faults of test/faults, each for a few seconds. `npm run test:faults` takes minutes.

import { scenarios } from './faults/scenarios.ts'
import { promises } from './support/promise.ts'

const test = promises('faults')

for (const { promise, seconds, run } of scenarios) {
  test(
    promise,
    async () => {
      await run(false)
    },
    { seconds: seconds.short },
  )
}
