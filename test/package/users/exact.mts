// An app that tells an absent option from one that is undefined.
import connectPostgresSimple, { type Options } from 'connect-postgres-simple'
import session from 'express-session'

const nothing = undefined
const options: Options = {
  tableName: nothing,
  schemaName: nothing,
  ttl: nothing,
  createTableIfMissing: nothing,
  disableTouch: nothing,
  touchInterval: nothing,
  maxLifetime: nothing,
  pruneSessionInterval: nothing,
  pruneSessionRandomizedInterval: nothing,
  errorLog: nothing,
  serializer: nothing,
  timeout: nothing,
  max: nothing,
  isolate: nothing,
  onConflict: nothing,
}
const Store = connectPostgresSimple(session)
const store = new Store(options)
store.get('a', nothing)
store.set('a', { cookie: new session.Cookie() }, nothing)
store.all(nothing)
store.length(nothing)
store.ids(nothing)
store.pruneSessions(nothing)
new Store(nothing)
// @ts-expect-error what leads to the database is left out, or it is a TypeError
new Store({ conString: nothing })
// @ts-expect-error
new Store({ conObject: nothing })
// @ts-expect-error
new Store({ postgres: nothing })
