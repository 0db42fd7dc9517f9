// A CommonJS app in TypeScript without esModuleInterop.
import connectPostgresSimple = require('connect-postgres-simple')

import * as session from 'express-session'

const options: connectPostgresSimple.Options = { conString: 'postgres://host/database' }
const store: connectPostgresSimple.PostgresStore = new (connectPostgresSimple(session))(options)
session({ store, secret: 'x' })
