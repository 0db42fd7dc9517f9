import connect from 'connect'
import session from 'express-session'
import { options } from '../express.js'
import { slow } from '../gate.js'

export default function make(store) {
  const app = connect()
  const answer = (res, status, body = {}) => {
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  app.use(session({ ...options, store }))
  app.use('/login', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error)
      req.session.user = new URLSearchParams(req.url.split('?')[1]).get('user')
      answer(res, 200)
    })
  })
  app.use('/me', (req, res) => {
    const { cookie, ...data } = req.session
    if (data.user) answer(res, 200, data)
    else answer(res, 401)
  })
  app.use('/put', async (req, res) => {
    if (!req.session.user) return answer(res, 401)
    const query = new URLSearchParams(req.url.split('?')[1])
    await slow(query.get('slow'))
    req.session[query.get('key')] = query.get('value')
    answer(res, 200)
  })
  app.use('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : answer(res, 200)))
  })
  return app
}
