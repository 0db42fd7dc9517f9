// Under Vitest. The fake clock spares `setImmediate`, by which the driver opens a connection.

import connectPostgresSimple from 'connect-postgres-simple'
import session from 'express-session'
import { expect, test, vi } from 'vitest'
import useEveryVerb from './verbs.cjs'

const Store = connectPostgresSimple(session)
const inAnHour = () => ({ cookie: { expires: new Date(Date.now() + 3_600_000) } })

test('a real clock', () => useEveryVerb(connectPostgresSimple, session))

test('a fake clock', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] })
  await useEveryVerb(connectPostgresSimple, session)
  const store = new Store({ conString: process.env.DATABASE_URL })
  await store.set('a', inAnHour())
  vi.advanceTimersByTime(3_598_000)
  expect(await store.get('a')).not.toBeNull()
  vi.advanceTimersByTime(4000)
  expect(await store.get('a')).toBeNull()
  await store.close()
  vi.useRealTimers()
})
