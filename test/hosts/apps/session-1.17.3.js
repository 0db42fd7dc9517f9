import express from 'express'
import session from 'express-session-1.17.3'
import { app } from '../express.js'

export default (store) => app(express, store, { session })
export { session as host }
