// What the demo's sessions hold.

import 'express-session'

declare module 'express-session' {
  interface SessionData {
    user?: string
    views?: number
  }
}
