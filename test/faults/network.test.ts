// A way to the server on which nothing comes through, or not all. Short: `npm run test:faults` takes longer.

import { networkFaults } from './scenarios/network.ts'
import { show } from './show.ts'

show('network', networkFaults)
