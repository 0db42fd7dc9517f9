// An ES module app in TypeScript.
import connectPostgresSimple, {
  type DestroyEvent,
  type Entry,
  type ExpireEvent,
  type Options,
  type PostgresStore,
  type Serializer,
} from 'connect-postgres-simple'
import session from 'express-session'
import type { Pool } from 'pg'
import { parse } from 'pg-connection-string'
import postgres from 'postgres'

declare module 'express-session' {
  interface SessionData {
    user: string
  }
}

const serializer: Serializer = { stringify: JSON.stringify, parse: JSON.parse }
const options: Options = {
  postgres: postgres({ transform: postgres.camel }),
  serializer,
  pruneSessionInterval: false,
}
const store: PostgresStore = new (connectPostgresSimple(session))(options)
connectPostgresSimple({ Store: session.Store })
session({ store, secret: 'x' })
const pool = undefined as unknown as Pool
;new (connectPostgresSimple(session))({ conObject: pool.options })
;new (connectPostgresSimple(session))({ conObject: { ...parse('postgres://h/d'), max: '10' } })
const found = await store.get('a')
const user: string | undefined = found?.user
for await (const { sid, session: each, expires } of store.entries() as AsyncIterable<Entry>) {
  await store.set(sid, each)
  expires.getTime()
}
store.on('expire', ({ sid, session: expired }) => console.log(sid.length, expired?.user))
store.once('destroy', async ({ sid }) => sid?.length)
store.on('disconnect', () => {})
store.off('expire', (event: ExpireEvent) => event.session).off('destroy', (event: DestroyEvent) => event.sid)
// @ts-expect-error after a clear there is no sid
store.on('destroy', ({ sid }) => sid.length)
// @ts-expect-error a wrong value is found by the compiler
;new (connectPostgresSimple(session))({ ttl: 'a day' })

export { user }
