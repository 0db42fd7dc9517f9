// Rows that somebody else keeps locked. Short: `npm run test:faults` takes longer.

import { lockFaults } from './scenarios/locks.ts'
import { show } from './show.ts'

show('locks', lockFaults)
