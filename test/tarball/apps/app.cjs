const session = require('express-session')
const connectPostgresSimple = require('connect-postgres-simple')
const useEveryVerb = require('./verbs.cjs')

useEveryVerb(connectPostgresSimple, session)
