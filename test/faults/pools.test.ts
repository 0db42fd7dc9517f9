// Connections that are few, or shared by a pooler. Short: `npm run test:faults` takes longer.

import { poolFaults } from './scenarios/pools.ts'
import { show } from './show.ts'

show('pools', poolFaults)
