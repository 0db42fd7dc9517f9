// A primary that is lost. Short: `npm run test:faults` takes longer.

import { failovers } from './scenarios/failover.ts'
import { show } from './show.ts'

show('failover', failovers)
