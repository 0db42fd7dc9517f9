// What the benchmark's sessions hold.

import 'express-session'

declare module 'express-session' {
  interface SessionData {
    number?: number
    visits?: number
  }
}
