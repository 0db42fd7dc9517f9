// Fastify by @fastify/session, with sessions in PostgreSQL.
//
// Run it:  npm install && DATABASE_URL=postgres://user@localhost:5432/app npm start
// Try it:  curl -c jar -H 'content-type: application/json' -d '{"username":"ann"}' localhost:3000/login
//          curl -b jar localhost:3000/me
//          curl -b jar -X POST localhost:3000/logout
//
// The store is made for `fastifySession`, not for express-session: so it knows that this host copies sessions,
// and a save that comes after the logout brings nobody back. It takes @fastify/session 11.1.2 or later.
//
// `rolling: false`: only a request that changes the session saves it. The price: only such a request prolongs
// the session, because @fastify/session does not call `touch`.

import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import connectPostgresSimple from 'connect-postgres-simple'
import Fastify from 'fastify'
import postgres from 'postgres'

const {
  DATABASE_URL,
  SESSION_SECRET = 'change me to something of at least 32 characters',
  PORT = '3000',
} = process.env

const sql = postgres(DATABASE_URL)
const PostgresStore = connectPostgresSimple(fastifySession)
const store = new PostgresStore({ postgres: sql, createTableIfMissing: true })

const app = Fastify()
await app.register(fastifyCookie)
await app.register(fastifySession, {
  store,
  secret: SESSION_SECRET,
  saveUninitialized: false,
  rolling: false,
  cookie: { maxAge: 24 * 60 * 60 * 1000, sameSite: 'lax', secure: process.env.NODE_ENV === 'production' },
})

app.post('/login', async (request) => {
  // Check a password here. A new id, so that one planted by somebody else is worth nothing.
  await request.session.regenerate()
  request.session.user = request.body.username
  return { user: request.session.user }
})

app.get('/me', async (request, reply) => {
  const { session } = request
  if (!session.user) return reply.code(401).send()
  session.views = (session.views ?? 0) + 1
  return { user: session.user, views: session.views }
})

// A slow request. If its user logs out meanwhile, its save at the end brings nothing back.
app.get('/report', async (request, reply) => {
  const { session } = request
  if (!session.user) return reply.code(401).send()
  await new Promise((resume) => setTimeout(resume, 1000))
  session.reports = (session.reports ?? 0) + 1
  return { reports: session.reports }
})

app.post('/logout', async (request, reply) => {
  await request.session.destroy()
  return reply.code(204).send()
})

app.addHook('onClose', async () => {
  await store.close()
  await sql.end()
})
process.once('SIGTERM', () => app.close())

console.log(`Listening on ${await app.listen({ port: Number(PORT) })}`)
