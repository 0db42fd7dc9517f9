// csrf-sync keeps its token in the session, and refuses what comes without it.

import { csrfSync } from 'csrf-sync'
import express from 'express'
import { app } from '../express.js'

export default (store) => {
  const { csrfSynchronisedProtection, generateToken } = csrfSync()
  return app(express, store, {
    before(app) {
      app.get('/token', (req, res) => res.json({ token: generateToken(req) }))
      app.use(csrfSynchronisedProtection)
    },
  })
}
