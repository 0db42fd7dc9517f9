// The store and its rivals: how each is opened, and what it needs. All on the same PostgreSQL or Redis, in the way their
// own documentation shows, with a pool of ten connections where they have one.

import session from 'express-session'

/**
 * `own` are options of the store itself.
 * @type {Record<string, (at: { postgres: string, redis?: string }, own?: object) => Promise<{ store: any, close(): Promise<unknown> }>>}
 */
export const subjects = {
  async 'connect-postgres-simple'({ postgres: url }, own) {
    const { default: connectPostgresSimple } = await import('../dist/index.js')
    const store = new (connectPostgresSimple(session))({
      conString: url,
      pruneSessionInterval: false,
      ...own,
    })
    return { store, close: () => store.close() }
  },

  async 'connect-pg-simple'({ postgres: url }) {
    const [{ default: connectPgSimple }, { default: pg }] = await Promise.all([
      import('connect-pg-simple'),
      import('pg'),
    ])
    const pool = new pg.Pool({ connectionString: url, max: 10 })
    // pg would end the process when the server ends an idle connection.
    pool.on('error', () => {})
    const store = new (connectPgSimple(session))({ pool, pruneSessionInterval: false })
    return { store, close: () => pool.end() }
  },

  async 'postgres.js, plain'({ postgres: url }) {
    const [{ default: postgres }, { plainStore }] = await Promise.all([
      import('postgres'),
      import('./plain.js'),
    ])
    const sql = postgres(url, { max: 10 })
    return { store: plainStore(session, sql), close: () => sql.end() }
  },

  async 'connect-session-knex'({ postgres: url }) {
    const [{ ConnectSessionKnexStore }, { default: knex }] = await Promise.all([
      import('connect-session-knex'),
      import('knex'),
    ])
    const db = knex({ client: 'pg', connection: url, pool: { min: 0, max: 10 } })
    const store = new ConnectSessionKnexStore({ knex: db, tableName: 'knex_session', cleanupInterval: 0 })
    return { store, close: () => db.destroy() }
  },

  async 'connect-redis'({ redis: url }) {
    const [{ RedisStore }, { createClient }] = await Promise.all([import('connect-redis'), import('redis')])
    const client = createClient({ url })
    await client.connect()
    return { store: new RedisStore({ client }), close: () => client.close() }
  },

  async MemoryStore() {
    return { store: new session.MemoryStore(), close: async () => {} }
  },
}

/** Those that keep sessions outside of the process. */
export const stores = Object.keys(subjects).filter((name) => name !== 'MemoryStore')
