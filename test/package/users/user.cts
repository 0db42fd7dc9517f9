// A CommonJS app in TypeScript.
import session = require('express-session')
import postgres = require('postgres')
import connectPostgresSimple = require('connect-postgres-simple')

const Store = connectPostgresSimple(session)
const options: connectPostgresSimple.Options = {
  postgres: postgres(),
  tableName: 'a',
  ttl: (_session, sid) => sid.length,
}
const store: connectPostgresSimple.PostgresStore = new Store(options)
session({ store, secret: 'x' })
store.get('a', (_error, found) => found?.cookie)
const length: Promise<number> = store.length()
const closed: Promise<void> = store.close()
// @ts-expect-error a wrong option is found by the compiler
new Store({ tablename: 'a' })

export { closed, length }
