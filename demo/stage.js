// What the page shows and what a try can use: the stores, the live table, the windows that watch. Must not
// know HTTP.

import { sum } from './counters.js'
import { Live } from './live.js'
import { openLoad } from './load/load.js'
import { strip, tableRow, tableRows } from './page.js'
import { openStore } from './stores.js'
import { watch } from './watch.js'

/**
 * @typedef {{ kind: string, good: boolean, says: string }} Outcome of a try, for one store, in words
 *
 * @typedef Stage
 * @property {import('./database.js').Database} database
 * @property {Record<import('./stores.js').Kind, any>} stores
 * @property {Map<string, import('./watch.js').Row>} rows of the table, as they are now
 * @property {Live} live
 * @property {(user: string) => Promise<unknown>} forget deletes the user's rows
 * @property {() => Promise<import('./load/load.js').Load>} load starts, once, what the tries under load need
 * @property {(kind: string) => string} url of the service on that store
 * @property {(url: string) => void} isAt says where the services are
 * @property {() => Promise<void>} close
 */

/** Where each service is mounted. */
export const PATHS = { before: 'connect-pg-simple', after: 'connect-postgres-simple', merging: 'merging' }

const COUNTERS_MS = 500

/** @returns {Promise<Stage>} */
export async function openStage(/** @type {import('./database.js').Database} */ database) {
  const before = openStore('before', database)
  const after = openStore('after', database)
  const merging = openStore('merging', database)

  const rows = new Map()
  const allRows = () => /** @type {[string, unknown]} */ (['rows', tableRows(rows)])
  const live = new Live(allRows)
  await watch(database, rows, {
    changed: (row) => live.send('row', { id: row.id, verb: row.verb, html: tableRow(row) }),
    reloaded: () => live.send(...allRows()),
  })
  const counting = setInterval(() => {
    const { before: theirs, after: ours } = loaded?.counters ?? {}
    live.show(`${PATHS.before}-counters`, strip(sum(before.counters(), theirs)))
    live.show(`${PATHS.after}-counters`, strip(sum(after.counters(), merging.counters(), ours)))
  }, COUNTERS_MS)

  let url
  let loading
  let loaded
  return {
    database,
    stores: { before: before.store, after: after.store, merging: merging.store },
    rows,
    live,
    forget: (user) => database.sql`delete from session where sess ->> 'user' = ${user}`,
    async load() {
      loading ??= openLoad(database).catch((error) => {
        loading = undefined
        throw error
      })
      loaded = await loading
      return loaded
    },
    url: (kind) => `${url}/${PATHS[kind]}`,
    isAt(at) {
      url = at
    },
    async close() {
      clearInterval(counting)
      await loading?.then(
        ({ close }) => close(),
        () => {},
      )
      await Promise.all([before, after, merging].map(({ close }) => close()))
    },
  }
}
