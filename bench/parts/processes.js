// Several processes of an app on one database and the same machine.

import { inside, start } from '../servers/process.js'
import { forOperation, ours, rivals } from '../subjects/roster.js'
import { turns } from './turns.js'

const WORK = { operation: 'get+touch', rows: 10_000, bytes: 300 }

/** @returns one row for each number of processes and subject */
export async function processes(servers, { plan, pools, log }) {
  const { counts, concurrency, rounds, ms, warmMs } = plan.processes
  const subjects = [ours(), ...rivals(servers.at, pools.direct, 'main')].map((subject) =>
    forOperation(subject, WORK.operation),
  )
  for (const subject of subjects) await inside(subject, servers.at, (tell) => tell('fill', WORK))
  const results = []
  for (const count of counts) {
    const workers = new Map()
    for (const subject of subjects) {
      const starting = Array.from({ length: count }, () =>
        start('load/worker.js', { subject, at: servers.at }),
      )
      workers.set(subject.name, await Promise.all(starting))
    }
    const rows = await turns(subjects, rounds, async ({ name }) => {
      const task = { ...WORK, concurrency, ms, warmMs }
      const all = await Promise.all(workers.get(name).map((tell) => tell('run', task)))
      return {
        rate: all.reduce((sum, each) => sum + each.rate, 0),
        p50: Math.max(...all.map((each) => each.p50)),
        p99: Math.max(...all.map((each) => each.p99)),
      }
    })
    results.push(...rows.map((row) => ({ operation: WORK.operation, concurrency, processes: count, ...row })))
    for (const tell of [...workers.values()].flat()) await tell('close')
    log(`${count} processes`)
  }
  return results
}
