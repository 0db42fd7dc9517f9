// Both services for the tries under load: each in a thread of its own, on a table of its own that nobody
// watches, with the database as far away as in a data centre. Must not know what is tried.

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import postgres from 'postgres'
import { Visitor } from '../visitor.js'

const DELAY_MS = 2
export const USERS = 50

/**
 * @typedef {{ url: string, cookies: string[] }} Service one cookie for each user, who is logged in
 *
 * @typedef Load
 * @property {Record<'before' | 'after', Service>} services
 * @property {Record<'before' | 'after', import('../counters.js').Counters | undefined>} counters of their stores
 * @property {number} roundTripMs to the database and back, as measured
 * @property {() => Promise<void>} close
 */

/** @returns {Promise<Load>} */
export async function openLoad(/** @type {import('../database.js').Database} */ { url, schema }) {
  const workers = []
  const close = async () => void (await Promise.all(workers.map(end)))
  const start = async (file, workerData) => {
    const worker = new Worker(new URL(file, import.meta.url), { workerData })
    workers.push(worker.on('error', console.error))
    const [{ url }] = await once(worker, 'message')
    return { worker, url }
  }
  try {
    const relay = await start('relay.js', { url, delayMs: DELAY_MS })
    const where = { url: relay.url, schema, table: 'load' }
    const counters = { before: undefined, after: undefined }
    const startService = async (/** @type {'before' | 'after'} */ kind) => {
      const { worker, url } = await start('service.js', { kind, where })
      worker.on('message', (message) => {
        counters[kind] = message.counters
      })
      return { url, cookies: await logIn(url) }
    }
    const services = { before: await startService('before'), after: await startService('after') }
    return { services, counters, roundTripMs: await roundTrip(relay.url), close }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Lets a thread end by itself. `terminate` in the middle of a request ends the whole process: the HTTP parser of
 * Node 20.20 takes it for a fatal error.
 */
const end = (worker) =>
  new Promise((resolve) => {
    // The id of one that has ended.
    if (worker.threadId === -1) return resolve(undefined)
    worker.once('exit', resolve)
    worker.postMessage('end')
  })

const logIn = (url) =>
  Promise.all(
    Array.from({ length: USERS }, async (_, i) => (await new Visitor(url).logIn(`User ${i}`)).cookie),
  )

/** The median of some. */
async function roundTrip(url) {
  const sql = postgres(url, { max: 1 })
  const times = []
  for (let i = 0; i < 20; i++) {
    const began = performance.now()
    await sql`select 1`
    times.push(performance.now() - began)
  }
  await sql.end()
  return times.sort((a, b) => a - b)[times.length / 2]
}
