// Worker processes to talk to, and how much CPU time a server has used. Knows nothing of stores.

import { fork } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** @returns a function that tells the worker a command and resolves with its answer */
export async function start(file, task, execArgv = []) {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(task)], { execArgv })
  const answer = () =>
    new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`${file} ended with ${code}: ${JSON.stringify(task)}`)))
      child.once('message', (/** @type {any} */ { error, result }) => {
        child.removeAllListeners('exit')
        if (error) reject(new Error(error))
        else resolve(result)
      })
    })
  await answer()
  return (command, options) => {
    const answered = answer()
    child.send({ command, options })
    return answered
  }
}

// Of Linux; elsewhere the column says so.
const TICK_US = 10_000

/** Microseconds of CPU that a process and its children have used, or undefined where /proc does not tell. */
export function cpuUs(pid) {
  try {
    let ticks = 0
    for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
      let stat
      try {
        stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      } catch {
        continue
      }
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      // After the name: state, parent, …; user and system time are the 12th and 13th.
      if (Number(name) === pid || Number(fields[1]) === pid) ticks += Number(fields[11]) + Number(fields[12])
    }
    return ticks * TICK_US
  } catch {
    return undefined
  }
}
