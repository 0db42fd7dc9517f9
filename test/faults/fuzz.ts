// Random faults of the fake server, under random operations of a few users: each run ends in right answers or
// clear errors. Catches nothing that escapes: that ends the process.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { certificate } from '../support/certificate.ts'
import { failure } from '../support/failure.ts'
import { within } from '../support/promise.ts'
import { Store, sessionOf } from '../support/store.ts'
import { type Fake, type Fault, fake } from './fake.ts'

const TIMEOUT_SECONDS = 0.2

/** What changes the data of a session. */
const CHANGES = ['save', 'destroy']

const place = { afterMessages: fc.nat({ max: 40 }) }
const common = fc.oneof(
  fc.record({ kind: fc.constantFrom('end', 'reset'), afterBytes: fc.nat({ max: 1200 }) }),
  // Each takes until the timeout.
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('silence'), afterBytes: fc.nat({ max: 1200 }) }) },
  fc.record({
    kind: fc.constant('garbage'),
    ...place,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  }),
  fc.record({ kind: fc.constant('garbage'), ...place, bytes: wellFormed() }),
  fc.record({ kind: fc.constantFrom('drop', 'double', 'head', 'swap'), ...place }),
  fc.record({
    kind: fc.constant('error'),
    ...place,
    severity: fc.constantFrom('ERROR', 'FATAL', 'PANIC'),
    code: fc.constantFrom('57P01', '42501', '40001', '53300', '25006', '2201E', '26000', 'XX000', '08P01'),
  }),
) as fc.Arbitrary<Fault>
const besideTls = fc.oneof(
  fc.record({
    kind: fc.constant('beside'),
    ...place,
    bytes: fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 40 }), tlsRecord()),
  }),
  fc.record({
    kind: fc.constant('greeting'),
    bytes: fc.oneof(
      fc.constantFrom('N', 'SS', 'S!', 'E').map((said) => Buffer.from(said)),
      wellFormed(),
    ),
  }),
) as fc.Arbitrary<Fault>
const faults = {
  plaintext: common,
  TLS: fc.oneof({ weight: 3, arbitrary: common }, { weight: 1, arbitrary: besideTls }),
}

/** Garbage that looks like a record of TLS. */
function tlsRecord(): fc.Arbitrary<Uint8Array> {
  const type = fc.constantFrom(20, 21, 22, 23)
  return fc
    .tuple(type, fc.uint8Array({ maxLength: 20 }))
    .map(([first, body]) => Uint8Array.of(first, 3, 3, 0, body.length, ...body))
}

/** Garbage that looks like a message of the protocol. */
function wellFormed(): fc.Arbitrary<Uint8Array> {
  const type = fc.constantFrom(...'DdASZC21tTRnKEs3GNcIWvpH')
  return fc.tuple(type, fc.uint8Array({ maxLength: 20 })).map(([letter, body]) => {
    const bytes = Buffer.alloc(5 + body.length)
    bytes.write(letter)
    bytes.writeInt32BE(4 + body.length, 1)
    bytes.set(body, 5)
    return bytes
  })
}

const users = fc.nat({ max: 3 })
const steps = fc.array(
  fc.oneof(
    fc.record({ verb: fc.constantFrom('get', 'save', 'touch', 'destroy'), user: users }),
    fc.record({ verb: fc.constant('wait'), user: users }),
  ),
  { minLength: 1, maxLength: 12 },
)

type Steps = { verb: string; user: number }[]

/** One run. What a row can hold is known of each user: what failed may have been stored. */
async function run(server: Fake, ca: string | undefined, fault: Fault, sequence: Steps): Promise<number> {
  server.rows.clear()
  const expire = String(Math.ceil(Date.now() / 1000) + 600)
  const possible = Array.from({ length: 4 }, () => new Set<number | undefined>([0]))
  for (const user of possible.keys())
    server.rows.set(`user-${user}`, { sess: JSON.stringify(sessionOf({ user, n: 0 })), expire })
  const store = new Store({
    conObject: { connectionString: server.url, ...(ca && { ssl: { ca } }) },
    timeout: TIMEOUT_SECONDS,
    pruneSessionInterval: false,
    errorLog() {},
  })
  const seen = server.misbehave(fault)
  const work: Promise<void>[] = []
  const failed = async (operation: Promise<unknown>) => {
    const error = await failure(operation).catch(() => undefined)
    if (error) assert.ok(error.name === 'StoreError' && typeof error.code === 'string', `${error}`)
    return error !== undefined
  }
  try {
    for (const [i, { verb, user }] of sequence.entries()) {
      const n = i + 1
      const sid = `user-${user}`
      const may = possible[user] as Set<number | undefined>
      if (verb === 'wait') await Promise.all(work)
      else if (verb === 'get') {
        // The operations on a sid come in order.
        const then = new Set(may)
        const check = store.get(sid).then((found: any) => {
          if (found) assert.equal(found.user, user)
          assert.ok(then.has(found?.n), `got ${found?.n}, not ${[...then]}`)
        })
        work.push(check.catch((error) => assert.equal(error.name, 'StoreError', `${error}`)))
      } else {
        const issued =
          verb === 'save'
            ? store.set(sid, sessionOf({ user, n }))
            : verb === 'touch'
              ? store.touch(sid, sessionOf())
              : store.destroy(sid)
        if (CHANGES.includes(verb)) may.add(verb === 'save' ? n : undefined)
        const last = sequence.findLastIndex((step) => step.user === user && CHANGES.includes(step.verb))
        work.push(
          failed(issued).then((so) => {
            // Acknowledged, and nothing was issued after it: then it is known what the row holds.
            if (!so && i === last) possible[user] = new Set([verb === 'save' ? n : undefined])
          }),
        )
      }
    }
    await Promise.all(work)
    for (const [user, may] of possible.entries()) {
      const sess = server.rows.get(`user-${user}`)?.sess
      const n = sess && JSON.parse(sess).n
      assert.ok(may.has(n), `the row of ${user} holds ${n}, not ${[...may]}`)
    }
  } finally {
    await store.close()
  }
  return seen.times
}

/**
 * @param seed the same gives the same runs
 * @param tell hears of each run before it begins
 */
export async function fuzz(
  runs: number,
  seed: number,
  over: 'plaintext' | 'TLS',
  tell: (run: { fault: Fault; sequence: Steps }) => void,
): Promise<number> {
  let misbehaved = 0
  const own = over === 'TLS' ? await certificate() : undefined
  const server = await fake(own)
  try {
    await fc.assert(
      fc.asyncProperty(faults[over], steps, async (fault, sequence) => {
        tell({ fault, sequence })
        misbehaved += await within(5, () => run(server, own?.cert, fault, sequence))
        // For what escapes.
        await new Promise((resume) => setImmediate(resume))
      }),
      { numRuns: runs, seed, endOnFailure: false },
    )
  } finally {
    await server.close()
  }
  return misbehaved
}
