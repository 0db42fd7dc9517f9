// Under Jest. The fake clock spares `setImmediate`, by which the driver opens a connection.

const { test, expect, jest: runner } = require('@jest/globals')
const session = require('express-session')
const connectPostgresSimple = require('connect-postgres-simple')
const useEveryVerb = require('./verbs.cjs')

const Store = connectPostgresSimple(session)
const inAnHour = () => ({ cookie: { expires: new Date(Date.now() + 3_600_000) } })

test('a real clock', () => useEveryVerb(connectPostgresSimple, session))

test('a fake clock', async () => {
  runner.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate'] })
  await useEveryVerb(connectPostgresSimple, session)
  const store = new Store({ conString: process.env.DATABASE_URL })
  await store.set('a', inAnHour())
  runner.advanceTimersByTime(3_598_000)
  expect(await store.get('a')).not.toBeNull()
  runner.advanceTimersByTime(4000)
  expect(await store.get('a')).toBeNull()
  await store.close()
  runner.useRealTimers()
})
