// A server that is not to be trusted. Short: `npm run test:faults` takes longer.

import { garbage } from './scenarios/garbage.ts'
import { show } from './show.ts'

show('garbage', garbage)
