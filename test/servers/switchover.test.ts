// A cluster that Patroni keeps, behind haproxy: its primary changes while users are at work.

import assert from 'node:assert/strict'
import postgres from 'postgres'
import { users } from '../faults/users.ts'
import { tableSql } from '../support/database.ts'
import { noPatroni, patroniVersions, startCluster } from '../support/patroni.ts'
import { promises } from '../support/promise.ts'

const test = promises('switchover')
const TIMES = 2
const isQuick = process.env['EVERYWHERE'] === 'quick'

test(
  'while Patroni makes the standby the primary and back, behind haproxy, no request fails and no save is lost',
  async () => {
    const cluster = await startCluster()
    const sql = postgres(cluster.url, { max: 1, onnotice() {}, backoff: () => 0.1 })
    try {
      await sql.unsafe(tableSql)
      const app = users({ options: { conString: cluster.url, pruneSessionInterval: 1 } })
      await app.begin({ users: 32, pauseMs: 20 })
      const recoveries: number[] = []
      for (let i = 0; i < TIMES; i++) {
        await app.everybody(2, 'succeeded')
        await cluster.switchOver()
        recoveries.push(await app.recovered())
      }
      await app.everybody(2, 'succeeded')
      const report = await app.end(sql)
      console.log(
        `${patroniVersions()}: ${report.answered} answers, recovered in ${recoveries.join(', ')} ms`,
      )
      assert.deepEqual([report.wrong, report.failed], [[], {}])
      await app.close()
    } finally {
      await sql.end({ timeout: 1 })
      await cluster.stop()
    }
  },
  { seconds: 240, skip: isQuick ? 'left out by --quick: it starts a cluster' : noPatroni() },
)
