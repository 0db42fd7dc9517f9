// What is asked of a store, one function for each operation. Every answer is checked: a fast wrong one
// counts for nothing.

export const LIFETIME_MS = 24 * 60 * 60 * 1000

/**
 * Far from the one before, as for a user who comes once in a while: within a second many expiries would be the
 * same, and what is the same is cheaper to write.
 */
const nextExpiry = () => new Date(Date.now() + LIFETIME_MS + Math.random() * 10_000_000)

/** A session as express-session has it, whose text is about so many bytes. */
export function sessionOf(number, bytes) {
  const cookie = {
    originalMaxAge: LIFETIME_MS,
    expires: nextExpiry(),
    httpOnly: true,
    path: '/',
  }
  return { cookie, number, list: 'some "quoted" text '.repeat(Math.max(0, Math.floor((bytes - 150) / 21))) }
}

/** A store's callback verb as a promise. */
export const call = (store, verb, ...values) =>
  new Promise((resolve, reject) => {
    store[verb](...values, (error, result) => (error ? reject(error) : resolve(result)))
  })

const pick = (count) => Math.floor(Math.random() * count)
export const sid = (number) => `bench-${number}`

const get = (store, { rows }) => getOf(store, pick(rows), sid)

async function getOf(store, number, sidOf) {
  const session = await call(store, 'get', sidOf(number))
  if (session?.number !== number) throw new Error(`asked for ${number}, got ${session?.number}`)
  return session
}

async function touchWith(store, session, expires, sidOf = sid) {
  session.cookie.expires = expires
  await call(store, 'touch', sidOf(session.number), session)
}

/** What the process has loaded, as an app has it in the middle of a request. */
const loaded = []
/** Numbers of the sessions that 'set new' has made and 'destroy' has not yet destroyed. */
const created = []

/** Name of the one operation in which a store may spare a touch. */
export const BACK = 'get+touch, back within a minute'
/** Rows that no other process touches. */
const backSid = (number) => `back-${process.pid}-${number}`
/** When each of these users was here last, by a clock of the user's own. */
const lastVisits = []
/** From one request of a user to the next. Some 30 in a minute, as of the users in users.js. */
const MOST_BETWEEN_VISITS_MS = 4000

/**
 * Each does one operation, and gives false when there is nothing left to do it on.
 * @type {Record<string, (store: object, options: any) => Promise<unknown>>}
 */
export const workloads = {
  get,

  /** What one request costs that changes nothing. The touch moves the expiry by minutes to hours. */
  async 'get+touch'(store, options) {
    await touchWith(store, await get(store, options), nextExpiry())
  },

  /** The same of users who come back soon: each touch moves the expiry by up to some seconds. */
  async [BACK](store, { rows }) {
    const session = await getOf(store, pick(rows), backSid)
    lastVisits[session.number] += Math.random() * MOST_BETWEEN_VISITS_MS
    await touchWith(store, session, new Date(lastVisits[session.number] + LIFETIME_MS), backSid)
  },

  async touch(store, { rows }) {
    await touchWith(store, sessionOf(pick(rows), 0), nextExpiry())
  },

  async 'set loaded'(store, { rows }) {
    const session = loaded[pick(rows)]
    session.cookie.expires = nextExpiry()
    session.changed = Math.random()
    await call(store, 'set', sid(session.number), session)
  },

  async 'set new'(store, { bytes }) {
    const number = `${process.pid}-${Math.random()}`
    await call(store, 'set', sid(number), sessionOf(number, bytes))
    created.push(number)
  },

  async destroy(store) {
    const number = created.pop()
    if (number === undefined) return false
    await call(store, 'destroy', sid(number))
    return true
  },
}

export async function inHundreds(rows, work) {
  for (let from = 0; from < rows; from += 100)
    await Promise.all(Array.from({ length: Math.min(100, rows - from) }, (_, i) => work(from + i)))
}

/** Fills the table with so many sessions of that size. */
export const fill = (store, { rows, bytes }) =>
  inHundreds(rows, (number) => call(store, 'set', sid(number), sessionOf(number, bytes)))

/** What an operation needs before it can be measured. */
export const prepare = {
  /** Each user was here a moment ago. */
  async [BACK](store, { rows, bytes }) {
    if (lastVisits.length > 0) return
    await inHundreds(rows, async (number) => {
      lastVisits[number] = Date.now()
      const session = sessionOf(number, bytes)
      session.cookie.expires = new Date(lastVisits[number] + LIFETIME_MS)
      await call(store, 'set', backSid(number), session)
    })
  },

  /**
   * Loads them all. Only where it is needed: objects that stay teach V8 to make others like them in the old
   * space.
   */
  async 'set loaded'(store, { rows }) {
    if (loaded.length > 0) return
    await inHundreds(rows, async (number) => {
      loaded[number] = await call(store, 'get', sid(number))
    })
  },

  /** Some to destroy. */
  async destroy(store, { bytes }) {
    const count = Math.min(8000, Math.ceil(10_000_000 / bytes)) - created.length
    await inHundreds(count, () => workloads['set new'](store, { bytes }))
  },
}
