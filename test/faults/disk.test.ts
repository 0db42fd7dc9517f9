// A disk without room. Short: `npm run test:faults` takes longer.

import { diskFaults } from './scenarios/disk.ts'
import { show } from './show.ts'

show('disk', diskFaults)
