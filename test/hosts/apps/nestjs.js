// NestJS on its Express adapter. Its decorators are called by hand, so that nothing has to be compiled.

import 'reflect-metadata'
import { Controller, Get, Module, Post, Req, Res } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import session from 'express-session'
import { options } from '../express.js'
import { slow } from '../gate.js'

class App {
  async login(req) {
    await new Promise((resolve, reject) =>
      req.session.regenerate((error) => (error ? reject(error) : resolve())),
    )
    req.session.user = req.query.user
    return {}
  }

  me(req, res) {
    const { cookie, ...data } = req.session
    if (!data.user) res.status(401)
    return data
  }

  async put(req, res) {
    if (!req.session.user) return void res.status(401)
    await slow(req.query.slow)
    req.session[req.query.key] = req.query.value
    return {}
  }

  async logout(req) {
    await new Promise((resolve, reject) =>
      req.session.destroy((error) => (error ? reject(error) : resolve())),
    )
    return {}
  }
}

for (const [method, decorator] of [
  ['login', Post('login')],
  ['me', Get('me')],
  ['put', Post('put')],
  ['logout', Post('logout')],
]) {
  decorator(App.prototype, method, Object.getOwnPropertyDescriptor(App.prototype, method))
  Req()(App.prototype, method, 0)
  Res({ passthrough: true })(App.prototype, method, 1)
}
Controller()(App)

class AppModule {}
Module({ controllers: [App] })(AppModule)

export default async function make(store) {
  const app = await NestFactory.create(AppModule, { logger: false })
  app.use(session({ ...options, store }))
  await app.init()
  return app.getHttpServer()
}
