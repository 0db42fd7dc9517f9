// What is asked of a store, one function for each operation. Every answer is checked: a fast wrong one counts for nothing.

const LIFETIME_MS = 24 * 60 * 60 * 1000

/**
 * Another at each request, as for a user who comes once in a while: within a second many expiries would be the same, and
 * what is the same is cheaper to write.
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

async function get(store, { rows }) {
  const number = pick(rows)
  const session = await call(store, 'get', sid(number))
  if (session?.number !== number) throw new Error(`asked for ${number}, got ${session?.number}`)
  return session
}

/** What the process has loaded, as an app has it in the middle of a request. */
const loaded = []
/** Numbers of the sessions that 'set new' has made and 'destroy' has not yet destroyed. */
const created = []

/**
 * Each does one operation, and gives false when there is nothing left to do it on.
 * @type {Record<string, (store: object, options: any) => Promise<unknown>>}
 */
export const workloads = {
  get,

  /** What one request costs that changes nothing. */
  async 'get+touch'(store, options) {
    const session = await get(store, options)
    session.cookie.expires = nextExpiry()
    await call(store, 'touch', sid(session.number), session)
  },

  /** The same of one given user, who is to be remembered for so long from now. */
  async visit(store, { number }) {
    const session = await call(store, 'get', sid(number))
    session.cookie.expires = new Date(Date.now() + LIFETIME_MS)
    await call(store, 'touch', sid(number), session)
  },

  async touch(store, { rows }) {
    const number = pick(rows)
    await call(store, 'touch', sid(number), sessionOf(number, 0))
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

const inHundreds = async (rows, work) => {
  for (let from = 0; from < rows; from += 100)
    await Promise.all(Array.from({ length: Math.min(100, rows - from) }, (_, i) => work(from + i)))
}

/** Fills the table with so many sessions of that size. */
export const fill = (store, { rows, bytes }) =>
  inHundreds(rows, (number) => call(store, 'set', sid(number), sessionOf(number, bytes)))

/** What an operation needs before it can be measured. */
export const before = {
  /** Loads them all. Only where it is needed: objects that stay teach V8 to make others like them in the old space. */
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
