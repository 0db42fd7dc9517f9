// Logouts that meet saves of other processes. Short: `npm run test:faults` takes longer.

import { logouts } from './scenarios/logouts.ts'
import { show } from './show.ts'

show('logouts', logouts)
