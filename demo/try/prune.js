// Prunes expired rows while another transaction holds one of them.

import { codeLink } from '../code.js'
import { html } from '../html.js'

const ROWS = 6
/** How long a prune is waited for. */
const PATIENCE_MS = 2000
const USER = 'long gone'

export const prune = {
  id: 'prune',
  title: 'Prune',
  button: 'Prune expired rows',
  says: html`Six sessions have expired, and a long transaction has locked the row of one: the delete of
connect-pg-simple waits for it, that of this store passes over it and leaves it to the next prune.`,
  links: [
    codeLink('this try', 'demo/try/prune.js', 'async run'),
    codeLink('this store', 'src/', 'for update skip locked'),
    codeLink('connect-pg-simple', 'connect-pg-simple/index.js', 'pruneSessions (fn) {'),
  ],

  /** @param {import('../stage.js').Stage} stage */
  async run({ database: { sql }, stores, forget }) {
    const outcomes = []
    for (const kind of ['before', 'after']) {
      await forget(USER)
      await sql`
        insert into session (sid, sess, expire)
        select md5(random()::text), json_build_object('user', ${USER}::text, 'cookie', json_build_object()),
          now() - interval '1 minute'
        from generate_series(1, ${ROWS}::int)`
      outcomes.push(
        await sql.begin(async (other) => {
          await other`select from session where sess ->> 'user' = ${USER} limit 1 for update`
          return outcome(kind, stores[kind], sql)
        }),
      )
    }
    return outcomes
  },
}

async function outcome(kind, store, sql) {
  const began = performance.now()
  const pruned = new Promise((resolve, reject) => {
    store.pruneSessions((error) => (error ? reject(error) : resolve('ended')))
  })
  let timer
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS)
  })
  const ended = await Promise.race([pruned, late])
  const ms = Math.round(performance.now() - began)
  clearTimeout(timer)
  // It ends when the lock does.
  pruned.catch(() => {})
  const [{ left }] = await sql`select count(*)::int as left from session where sess ->> 'user' = ${USER}`
  return {
    kind,
    good: ended !== undefined,
    says: ended
      ? `${ROWS - left} of ${ROWS} rows deleted in ${ms} ms, the locked one waits for the next prune.`
      : `${ROWS - left} of ${ROWS} rows deleted in ${(ms / 1000).toFixed(1)} s: it waits for the lock.`,
  }
}
