// A CommonJS app in TypeScript with esModuleInterop.
import connectPostgresSimple, { type Options, type PostgresStore } from 'connect-postgres-simple'
import session from 'express-session'

const options: Options = { conString: 'postgres://host/database' }
const store: PostgresStore = new (connectPostgresSimple(session))(options)
session({ store, secret: 'x' })
