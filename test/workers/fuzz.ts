// The store and a server that misbehaves, in a process that catches nothing. Tells each run, and at the end
// how often the server misbehaved.

import { fuzz } from '../faults/fuzz.ts'

const { runs, seed, over } = JSON.parse(process.argv[2] as string)
process.send?.({ misbehaved: await fuzz(runs, seed, over, (run) => process.send?.({ run })) })
