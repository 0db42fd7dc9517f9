// NestJS on Express, with sessions in PostgreSQL.
//
// Run it:  npm install && npm run build && DATABASE_URL=postgres://user@localhost:5432/app npm start
// Try it:  curl -c jar -d 'username=ann' localhost:3000/login
//          curl -b jar localhost:3000/me
//          curl -b jar -X POST localhost:3000/logout

import 'reflect-metadata'
import { NestFactory } from '@nestjs/core'
import { AppModule } from './app.module.js'

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] })
// SIGTERM closes the server first, then what the modules have opened: see sessions.module.ts.
app.enableShutdownHooks(undefined, { useProcessExit: true })
await app.listen(Number(process.env['PORT'] ?? 3000), 'localhost')
console.log(`Listening on ${await app.getUrl()}`)
