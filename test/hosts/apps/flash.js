// connect-flash: a message that the next page shows once.

import flash from 'connect-flash'
import express from 'express'
import { app } from '../express.js'

export default (store) =>
  app(express, store, {
    before(app) {
      app.use(flash())
      app.post('/tell', (req, res) => {
        req.flash('told', req.query.text)
        res.redirect('/told')
      })
      app.get('/told', (req, res) => res.json(req.flash('told')))
    },
  })
