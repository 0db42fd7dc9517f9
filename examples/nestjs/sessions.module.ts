// Gives every request its session. Opens the store when the app starts and closes it when the app ends.

import { type MiddlewareConsumer, Module, type NestModule, type OnApplicationShutdown } from '@nestjs/common'
import connectPostgresSimple, { type PostgresStore } from 'connect-postgres-simple'
import session from 'express-session'
import postgres, { type Sql } from 'postgres'

const { DATABASE_URL, SESSION_SECRET = 'change me', NODE_ENV } = process.env

@Module({})
export class SessionsModule implements NestModule, OnApplicationShutdown {
  readonly #sql: Sql = DATABASE_URL ? postgres(DATABASE_URL) : postgres()
  readonly #store: PostgresStore = new (connectPostgresSimple(session))({
    postgres: this.#sql,
    createTableIfMissing: true,
  })

  configure(consumer: MiddlewareConsumer): void {
    consumer
      .apply(
        session({
          store: this.#store,
          secret: SESSION_SECRET,
          resave: false,
          saveUninitialized: false,
          cookie: { maxAge: 24 * 60 * 60 * 1000, sameSite: 'lax', secure: NODE_ENV === 'production' },
        }),
      )
      .forRoutes('{*path}')
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#store.close()
    await this.#sql.end()
  }
}
