// How each store is opened: in the way its own documentation shows, and with what makes it fastest. Knows
// nothing of what is measured.

import session from 'express-session'

/** As many as the store has connections by default. */
export const PIPELINED_CLIENTS = 4

/**
 * @typedef {{ postgres?: string, redis?: string, redisAlways?: string }} Addresses
 * @typedef {{ store: any, close(): Promise<unknown> }} Opened
 * @type {Record<string, (at: Addresses, options?: any) => Promise<Opened>>}
 */
export const open = {
  /** @param options the store's own */
  async 'connect-postgres-simple'({ postgres: url }, options) {
    const { default: connectPostgresSimple } = await import('../../dist/index.js')
    const store = new (connectPostgresSimple(session))({
      conString: url,
      pruneSessionInterval: false,
      ...options,
    })
    return { store, close: () => store.close() }
  },

  async 'connect-pg-simple'({ postgres: url }, { max }) {
    const [{ default: connectPgSimple }, { default: pg }] = await Promise.all([
      import('connect-pg-simple'),
      import('pg'),
    ])
    const pool = new pg.Pool({ connectionString: url, max })
    // pg would end the process when the server ends an idle connection.
    pool.on('error', () => {})
    const store = new (connectPgSimple(session))({ pool, pruneSessionInterval: false })
    return { store, close: () => pool.end() }
  },

  /** Its pool is replaced by clients that send a query before the one before it is answered. */
  async 'connect-pg-simple, pipelined'({ postgres: url }) {
    const [{ default: connectPgSimple }, { default: pg }] = await Promise.all([
      import('connect-pg-simple'),
      import('pg'),
    ])
    const clients = Array.from(
      { length: PIPELINED_CLIENTS },
      () => new pg.Client({ connectionString: url, pipeline: true }),
    )
    for (const client of clients) client.on('error', () => {})
    await Promise.all(clients.map((client) => client.connect()))
    let next = 0
    const query = (text, values) => clients[next++ % clients.length].query(text, values)
    const store = new (connectPgSimple(session))({
      pool: /** @type {any} */ ({ query }),
      pruneSessionInterval: false,
    })
    return { store, close: () => Promise.all(clients.map((client) => client.end())) }
  },

  async 'postgres.js'({ postgres: url }, { max }) {
    const [{ default: postgres }, { plainStore }] = await Promise.all([
      import('postgres'),
      import('./plain.js'),
    ])
    const sql = postgres(url, { max })
    return { store: plainStore(session, sql), close: () => sql.end() }
  },

  async 'connect-session-knex'({ postgres: url }, { max }) {
    const [{ ConnectSessionKnexStore }, { default: knex }] = await Promise.all([
      import('connect-session-knex'),
      import('knex'),
    ])
    const db = knex({ client: 'pg', connection: url, pool: { min: 0, max } })
    const store = new ConnectSessionKnexStore({ knex: db, tableName: 'knex_session', cleanupInterval: 0 })
    return { store, close: () => db.destroy() }
  },

  /** @param options which of the two clients, and which of the two servers */
  async 'connect-redis'(at, { client: name, server }) {
    const [{ RedisStore }, { createClient }] = await Promise.all([
      import('connect-redis'),
      name === 'redis5' ? import('redis5') : import('redis'),
    ])
    const client = createClient({ url: at[server] })
    await client.connect()
    return { store: new RedisStore({ client }), close: () => client.close() }
  },

  async MemoryStore() {
    return { store: new session.MemoryStore(), close: async () => {} }
  },
}
