// A session that two requests changed.

import assert from 'node:assert/strict'
import type { SessionData } from 'express-session'
import fc from 'fast-check'
import { merge } from '../../src/session/merge.ts'
import { promises } from '../support/promise.ts'

const test = promises('merge')
const of = (value: object) => value as SessionData

test('what this request changed, added and deleted is applied to what is there now', () => {
  const base = { kept: 1, changed: 1, deleted: 1, theirsChanged: 1, theirsDeleted: 1, both: 1 }
  const mine = { kept: 1, changed: 2, theirsChanged: 1, theirsDeleted: 1, both: 2, added: 1 }
  const theirs = { kept: 1, changed: 1, deleted: 1, theirsChanged: 2, both: 3, theirsAdded: 1 }
  assert.deepEqual(merge(of(base), of(mine), of(theirs)), {
    ...{ kept: 1, changed: 2, theirsChanged: 2, both: 2, theirsAdded: 1, added: 1 },
  })
})

test('a key that both deleted stays deleted, and one that I deleted and they changed is deleted', () => {
  assert.deepEqual(merge(of({ a: 1, b: 1 }), of({}), of({ b: 2 })), {})
})

test('a value is changed if anything in it is', () => {
  const base = { cart: { items: [1, 2] }, seen: [1] }
  const mine = { cart: { items: [1, 2, 3] }, seen: [1] }
  assert.deepEqual(merge(of(base), of(mine), of({ cart: { items: [] }, seen: [1, 2] })), {
    cart: { items: [1, 2, 3] },
    seen: [1, 2],
  })
})

const at = (second: number) => `2030-01-01T00:00:0${second}.000Z`

test('the expiry of the cookie is no change of it: the later one stays, whoever changed the rest of it', () => {
  const cookie = (second: number, path = '/') => ({ cookie: { path, expires: at(second) } })
  const merged = (...[base, mine, theirs]: object[]) =>
    (merge(of(base!), of(mine!), of(theirs!)) as any).cookie
  assert.deepEqual(merged(cookie(1), cookie(3), cookie(2, '/new')), { path: '/new', expires: at(3) })
  assert.deepEqual(merged(cookie(1), cookie(2), cookie(3, '/new')), { path: '/new', expires: at(3) })
  assert.deepEqual(merged(cookie(1), cookie(2, '/mine'), cookie(3)), { path: '/mine', expires: at(3) })
  assert.deepEqual(merged(cookie(1), cookie(2), { cookie: { path: '/', expires: null } }), {
    ...{ path: '/', expires: null },
  })
  assert.deepEqual(merged({ cookie: {} }, { cookie: {} }, { cookie: { path: '/' } }), { path: '/' })
  assert.deepEqual(merge(of({ a: 1 }), of({ a: 2 }), of({ a: 1 })), { a: 2 }, 'a session without a cookie')
})

test('a lifetime that one of the requests chose is that of the cookie, whoever changed the rest of it', () => {
  type MaxAge = number | null | undefined
  const cookie = (second: number, originalMaxAge: MaxAge, path = '/') => ({
    cookie: {
      path,
      expires: originalMaxAge === null ? null : at(second),
      ...(originalMaxAge !== undefined && { originalMaxAge }),
    },
  })
  const merged = (...[base, mine, theirs]: object[]) =>
    (merge(of(base!), of(mine!), of(theirs!)) as any).cookie
  for (const [usual, chosen] of [
    [5000, 9000],
    [5000, 1000],
    [5000, 5100],
    [5000, null],
    [null, 5000],
    [50, null],
    [5000, undefined],
    [undefined, 5000],
  ] as [MaxAge, MaxAge][]) {
    const what = `${usual} to ${chosen}`
    const [base, mine] = [cookie(1, usual), cookie(3, usual, '/mine')]
    assert.deepEqual(
      merged(base, cookie(2, chosen), mine),
      { ...cookie(2, chosen).cookie, path: '/mine' },
      what,
    )
    const began = Date.now()
    const { path, originalMaxAge, expires } = merged(base, mine, cookie(2, chosen))
    assert.deepEqual([path, originalMaxAge], ['/mine', chosen], what)
    // Touches of the row have moved its expiry since, of which its text says nothing.
    if (typeof chosen === 'number') {
      const passed = expires.getTime() - chosen - began
      assert.ok(passed >= 0 && passed < 5000, what)
    } else assert.equal(expires, cookie(2, chosen).cookie.expires, what)
  }
  assert.equal(merged(cookie(1, 5000), {}, cookie(2, 5000)), undefined, 'one that this request deleted')
  assert.equal(merged(cookie(1, 5000), cookie(2, 5000), {}), undefined, 'one that the other one deleted')
  assert.deepEqual(
    merged({}, cookie(3, 5000), cookie(2, 9000)),
    cookie(3, 5000).cookie,
    'one that both added',
  )
  assert.deepEqual(merged({}, {}, cookie(2, 9000)), cookie(2, 9000).cookie, 'one that the other one added')
  // As express-session leaves it after a touch.
  const [base, one, other] = [cookie(1, 5000), cookie(3, 4999), cookie(4, 5000)]
  assert.deepEqual(merged(base, one, other), other.cookie)
  assert.deepEqual(merged(base, other, one), { ...other.cookie, originalMaxAge: 5000 })
})

test('a key may be called __proto__', () => {
  const odd = JSON.parse('{"__proto__":{"admin":true}}')
  const merged: any = merge(of({}), odd, of({}))
  assert.deepEqual(Object.keys(merged), ['__proto__'])
  assert.equal(merged.admin, undefined)
})

test('with anything: my changes are in it, and where I changed nothing it is what is there', () => {
  const session = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.jsonValue())
  fc.assert(
    fc.property(session, session, session, (base, mine, theirs) => {
      assert.deepEqual(merge(of(base), of(base), of(theirs)), { ...theirs })
      assert.deepEqual(merge(of(base), of(mine), of(base)), { ...mine })
    }),
    { seed: 4, numRuns: 500 },
  )
})

test('the later expiry of a cookie is told by the time, in whatever form it comes', () => {
  const cookie = (expires: unknown) => of({ cookie: { expires } })
  const [sooner, later] = ['2030-01-01T00:00:01.000Z', '2030-01-02T00:00:01.000Z']
  const merged = (mine: unknown, theirs: unknown) =>
    (merge(cookie(sooner), cookie(mine), cookie(theirs)) as any).cookie.expires
  assert.equal(merged(new Date(sooner), later), later)
  assert.deepEqual(merged(new Date(later), sooner), new Date(later))
  assert.deepEqual(merged(later, new Date(sooner)), later)
})
