// socket.io takes express-session as middleware of its handshake. A socket lives longer than a request, and
// loads the session again before it uses it.

import { createServer } from 'node:http'
import express from 'express'
import session from 'express-session'
import { Server } from 'socket.io'
import { app, options } from '../express.js'

export default function make(store) {
  const middleware = session({ ...options, store })
  const server = createServer(app(express, store, { session: () => middleware }))
  const io = new Server(server)
  io.engine.use(middleware)
  io.on('connection', (socket) => {
    const { request } = socket
    socket.on('me', (answer) => {
      request.session.reload((error) => answer(error ? null : request.session.user))
    })
    // Without `reload`: the session as it was at the handshake.
    socket.on('put', (key, value, answer) => {
      request.session[key] = value
      request.session.save((error) => answer(error?.code ?? 'saved'))
    })
  })
  return server
}
