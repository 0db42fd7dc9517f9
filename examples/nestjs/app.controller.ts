import { promisify } from 'node:util'
import { Body, Controller, Get, HttpCode, Post, Req, UnauthorizedException } from '@nestjs/common'
import type { Request } from 'express'

declare module 'express-session' {
  interface SessionData {
    user: string
    views: number
    reports: number
  }
}

@Controller()
export class AppController {
  @Post('login')
  @HttpCode(200)
  async login(@Req() req: Request, @Body('username') user: string) {
    // Check a password here. A new id, so that one planted by somebody else is worth nothing.
    await promisify((done: (error?: unknown) => void) => req.session.regenerate(done))()
    req.session.user = user
    return { user }
  }

  @Get('me')
  me(@Req() req: Request) {
    const user = userOf(req)
    req.session.views = (req.session.views ?? 0) + 1
    return { user, views: req.session.views }
  }

  // A slow request. If its user logs out meanwhile, its save at the end does not bring the session back.
  @Get('report')
  async report(@Req() req: Request) {
    userOf(req)
    await new Promise((resume) => setTimeout(resume, 1000))
    req.session.reports = (req.session.reports ?? 0) + 1
    return { reports: req.session.reports }
  }

  @Post('logout')
  @HttpCode(204)
  async logout(@Req() req: Request) {
    await promisify((done: (error?: unknown) => void) => req.session.destroy(done))()
  }
}

function userOf(req: Request): string {
  if (!req.session.user) throw new UnauthorizedException()
  return req.session.user
}
