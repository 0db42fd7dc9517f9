// What stands for a sid in traces. Promises that the sid cannot be found out from it, and that it is the same
// for the same sid in one process. Must not know where it is shown.

import { createHmac, randomBytes } from 'node:crypto'

// Of this process alone. Without it, who has a list of sids could compute what stands for each.
const key = randomBytes(16)

export function pseudonym(sid: string): string {
  return createHmac('sha256', key).update(sid).digest('hex').slice(0, 12)
}
