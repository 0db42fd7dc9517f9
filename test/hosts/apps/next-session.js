// next-session has a store of promises: this one's methods give them when they get no callback.

import session from 'next-session'
import { slow } from '../gate.js'

export default function make(store, way) {
  // A save of its own accord that fails is an unhandled rejection, which ends the process (next-session 4.0):
  // where a save may be refused, the app has to save by itself.
  const autoCommit = way !== 'error'
  const getSession = session({ store, autoCommit, touchAfter: 0, cookie: { maxAge: 3600 } })
  return async (req, res) => {
    const { pathname, searchParams: query } = new URL(req.url, 'http://host')
    const answer = (status, body = {}) => {
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    try {
      const found = await getSession(req, res)
      if (pathname === '/login') {
        found.user = query.get('user')
      } else if (!found.user) {
        return answer(401)
      } else if (pathname === '/put') {
        await slow(query.get('slow'))
        found[query.get('key')] = query.get('value')
      } else if (pathname === '/logout') {
        await found.destroy()
        return answer(200)
      }
      if (!autoCommit && req.method === 'POST') await found.commit()
      const { cookie, ...data } = found
      answer(200, data)
    } catch (error) {
      answer(500, { code: error.code })
    }
  }
}
