import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import Fastify from 'fastify'
import { slow } from '../gate.js'

export { fastifySession as host }

export default async function make(store) {
  // Fastify makes the server itself.
  const app = Fastify()
  await app.register(fastifyCookie)
  await app.register(fastifySession, {
    store,
    secret: 'a secret of at least thirty-two characters',
    saveUninitialized: false,
    rolling: false,
    cookie: { maxAge: 3_600_000, secure: false },
  })
  app.post('/login', async (request) => {
    await request.session.regenerate()
    request.session.user = request.query.user
    return {}
  })
  app.get('/me', async (request, reply) => {
    const { cookie, ...data } = request.session
    return data.user ? data : reply.code(401).send({})
  })
  app.post('/put', async (request, reply) => {
    if (!request.session.user) return reply.code(401).send({})
    await slow(request.query.slow)
    request.session[request.query.key] = request.query.value
    return {}
  })
  app.post('/logout', async (request) => {
    await request.session.destroy()
    return {}
  })
  await app.ready()
  return app.server
}
