// What the demo's sessions hold.

import 'express-session'

declare module 'express-session' {
  interface SessionData {
    user?: string
    count?: number
    cart?: string
    theme?: string
    report?: string
  }
}
