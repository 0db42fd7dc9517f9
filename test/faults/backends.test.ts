// Processes of the server that end under the store. Short: `npm run test:faults` takes longer.

import { backendFaults } from './scenarios/backends.ts'
import { show } from './show.ts'

show('backends', backendFaults)
