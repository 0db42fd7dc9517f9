// The faults of one kind as tests, each for a few seconds, over plaintext and over TLS, side by side.
// `npm run test:faults` takes minutes.

import { promises, within } from '../support/promise.ts'
import type { Fault } from './bench.ts'
import { overBoth } from './scenarios.ts'
import { sideBySide } from './side-by-side.ts'

/** They wait more than they compute. */
const AT_A_TIME = 4

export function show(kind: string, faults: Fault[]): void {
  const test = promises(kind)
  const shown = overBoth(faults).map((scenario) => ({ ...scenario, skip: scenario.missing?.() }))
  let outcomes: Promise<unknown>[] | undefined
  for (const [i, { promise, over, skip }] of shown.entries()) {
    test(
      `${promise}, over ${over}`,
      async () => {
        outcomes ??= sideBySide(
          AT_A_TIME,
          shown.map((each) => async () => each.skip ?? within(each.seconds.short, () => each.run(false))),
        )
        await outcomes[i]
      },
      // Each has a limit of its own; this is that of those before it as well.
      { seconds: 600, skip },
    )
  }
}
