// The faults of test/faults, each for a few seconds. `npm run test:faults` takes minutes.

import { scenarios } from './faults/scenarios.ts'
import { promises } from './support/promise.ts'

const test = promises('faults')

for (const { promise, seconds, missing, run } of scenarios) {
  test(
    promise,
    async () => {
      const reason = missing?.()
      if (reason) console.log(`Not run: ${promise}: ${reason}`)
      else await run(false)
    },
    { seconds: seconds.short },
  )
}
