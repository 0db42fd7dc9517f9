// What is counted: each operation of the store, one at a time and 64 at once, and the requests of a user.
// Always the same ones in the same order, so that the counts are too.

const LIFETIME_MS = 24 * 60 * 60 * 1000
const ROWS = 64
/** What a user's page asks for: a document, then ten API calls. */
const CALLS = 10

const call = (store, verb, ...values) =>
  new Promise((resolve, reject) => {
    store[verb](...values, (error, result) => (error ? reject(error) : resolve(result)))
  })

/** Later by a minute for each number, so that no touch is spared. */
const expires = (number) => new Date(Date.now() + LIFETIME_MS + number * 60_000)
const sessionOf = (number) => ({
  cookie: { originalMaxAge: LIFETIME_MS, expires: expires(number), httpOnly: true, path: '/' },
  number,
  list: 'some "quoted" text '.repeat(10),
})
const sid = (number) => `guard-${number % ROWS}`

/** @type {Record<string, (store: any, number: number, loaded: any[]) => Promise<unknown>>} */
const operations = {
  get: (store, number) => call(store, 'get', sid(number)),

  touch: (store, number) => call(store, 'touch', sid(number), sessionOf(number)),

  'set loaded'(store, number, loaded) {
    const session = loaded[number % ROWS]
    session.cookie.expires = expires(number)
    session.number = number
    return call(store, 'set', sid(number), session)
  },

  'set new': (store, number) => call(store, 'set', `guard-new-${number}`, sessionOf(number)),

  destroy: (store, number) => call(store, 'destroy', `guard-new-${number}`),
}

async function request(store) {
  const session = await call(store, 'get', sid(0))
  session.cookie.expires = new Date(Date.now() + LIFETIME_MS)
  await call(store, 'touch', sid(0), session)
}

async function page(store) {
  await request(store)
  await Promise.all(Array.from({ length: CALLS }, () => request(store)))
}

/**
 * Each does one wave of what is counted. `size` is how many operations or requests that are, `options` are
 * the store's: a user's requests are counted with its defaults.
 */
export const cases = [
  ...Object.entries(operations).flatMap(([name, operation]) =>
    [1, ROWS].map((size) => ({
      name: `${name}, ${size} at once`,
      size,
      options: { touchInterval: 0 },
      wave: (store, first, loaded) =>
        Promise.all(Array.from({ length: size }, (_, i) => operation(store, first + i, loaded))),
    })),
  ),
  { name: 'request of a page', size: 1 + CALLS, options: {}, wave: page },
]

/** Stores the rows, and gives them back as loaded sessions. */
export async function load(store) {
  const numbers = Array.from({ length: ROWS }, (_, number) => number)
  await Promise.all(numbers.map((number) => call(store, 'set', sid(number), sessionOf(number))))
  return Promise.all(numbers.map((number) => call(store, 'get', sid(number))))
}
