// A server that is away for a while. Short: `npm run test:faults` takes longer.

import { restarts } from './scenarios/restarts.ts'
import { show } from './show.ts'

show('restarts', restarts)
