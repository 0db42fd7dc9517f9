// A disk without room.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { noSmallDisk, smallDisk } from '../../support/disk.ts'
import { sessionOf } from '../../support/store.ts'
import { bench, crowd, type Fault, seconds } from '../bench.ts'

const large = () => sessionOf({ text: randomBytes(50_000).toString('hex') })

export const diskFaults: Fault[] = [
  {
    promise:
      'a disk that is full: 53100 for what needs room, and reads go on; all is well when there is room again',
    seconds: { short: 120, long: 180 },
    missing: noSmallDisk,
    run: (long, tls) =>
      bench(tls, async ({ server, sql, app, during }) => {
        const disk = await smallDisk(server.data, 8)
        try {
          await sql.unsafe(`create tablespace small location '${disk.path}'`)
          await sql`alter table session set tablespace small`
          await sql`alter index session_pkey set tablespace small`
          const users = app()
          const { store } = users
          await users.begin(crowd(long))
          await store.set('before', sessionOf())
          let recoveryMs = 0
          const report = await during(users, async () => {
            disk.fill()
            // Each is new, and larger than what the users leave behind.
            const refused = await Promise.allSettled(
              Array.from({ length: 50 }, (_, i) => store.set(`large-${i}`, large())),
            )
            const codes = refused.map((each) => each.status === 'rejected' && each.reason.code)
            assert.ok(codes.includes('53100'), `${codes}`)
            assert.ok(await store.length())
            await seconds(long ? 10 : 1)
            disk.free()
            recoveryMs = await users.recovered()
            await store.set('after', large())
          })
          assert.deepEqual(
            Object.keys(report.failed).filter((code) => code !== '53100'),
            [],
          )
          await users.close()
          return { rounds: 'once', report, recoveryMs }
        } finally {
          await server.down('SIGQUIT')
          disk.close()
        }
      }),
  },
]
