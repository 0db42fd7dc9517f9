// Its cookie options may be a function of the request.

import express from 'express'
import { app } from '../express.js'

export default (store) =>
  app(express, store, { cookie: (req) => ({ maxAge: Number(req.query.maxAge ?? 3_600_000) }) })
