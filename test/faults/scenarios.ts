// Every fault, over plaintext and over TLS: short in `npm test`, long in `npm run test:faults`.

import type { Fault, Outcome } from './bench.ts'
import { backendFaults } from './scenarios/backends.ts'
import { diskFaults } from './scenarios/disk.ts'
import { failovers } from './scenarios/failover.ts'
import { garbage } from './scenarios/garbage.ts'
import { lockFaults } from './scenarios/locks.ts'
import { logouts } from './scenarios/logouts.ts'
import { networkFaults } from './scenarios/network.ts'
import { poolFaults } from './scenarios/pools.ts'
import { restarts } from './scenarios/restarts.ts'

export interface Scenario extends Omit<Fault, 'run'> {
  over: 'plaintext' | 'TLS'
  run(long: boolean): Promise<Outcome>
}

/** Each over plaintext and over TLS. */
export function overBoth(faults: Fault[]): Scenario[] {
  return faults.flatMap((fault) =>
    (['plaintext', 'TLS'] as const).map((over) => ({
      ...fault,
      over,
      run: (long: boolean) => fault.run(long, over === 'TLS'),
    })),
  )
}

export const scenarios: Scenario[] = overBoth([
  ...backendFaults,
  ...restarts,
  ...failovers,
  ...networkFaults,
  ...poolFaults,
  ...logouts,
  ...garbage,
  ...lockFaults,
  ...diskFaults,
])
