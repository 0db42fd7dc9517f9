// How much CPU time a server has used, as Linux tells it in /proc. Knows nothing of stores.

import { readdirSync, readFileSync } from 'node:fs'

// Of the times in /proc/*/stat, on every Linux that Node runs on.
const TICK_US = 10_000

/**
 * Microseconds of CPU that a process, its children and those of them that have ended have used. To the
 * microsecond where the kernel keeps schedstat, else to a hundredth of a second.
 * @returns {number | undefined} undefined where /proc does not tell
 */
export function cpuUs(pid) {
  if (pid === undefined) return undefined
  try {
    let sum = 0
    for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
      const fields = statOf(name)
      if (!fields || (Number(name) !== pid && Number(fields[1]) !== pid)) continue
      sum += timeOf(name) ?? (Number(fields[11]) + Number(fields[12])) * TICK_US
      // Of its own children that have ended and were waited for.
      if (Number(name) === pid) sum += (Number(fields[13]) + Number(fields[14])) * TICK_US
    }
    return sum
  } catch {
    return undefined
  }
}

/** What follows the name of the program: state, parent, …, times in ticks from the 12th on. */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/** Of all its threads. */
function timeOf(pid) {
  try {
    let ns = 0
    for (const thread of readdirSync(`/proc/${pid}/task`))
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    return ns / 1000
  } catch {
    return undefined
  }
}
