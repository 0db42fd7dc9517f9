import connectPostgresSimple from 'connect-postgres-simple'
import session from 'express-session'
import useEveryVerb from './verbs.cjs'

await useEveryVerb(connectPostgresSimple, session)
