// What each app of this folder does with the store: every verb, on a database without a table.

const assert = require('node:assert/strict')

module.exports = async (connectPostgresSimple, session) => {
  const Store = connectPostgresSimple(session)
  const store = new Store({
    conString: process.env.DATABASE_URL,
    createTableIfMissing: true,
    pruneSessionInterval: false,
  })
  const cookie = { originalMaxAge: 60_000, expires: new Date(Date.now() + 60_000) }
  await store.set('a', { cookie, user: 'ann' })
  await store.set('b', { cookie, user: 'bob' })
  assert.equal((await store.get('a')).user, 'ann')
  await store.touch('a', { cookie })
  const byCallback = await new Promise((resolve, reject) => {
    store.get('b', (error, found) => (error ? reject(error) : resolve(found)))
  })
  assert.equal(byCallback.user, 'bob')
  await store.destroy('b')
  assert.equal(await store.get('b'), null)
  assert.deepEqual(await store.ids(), ['a'])
  assert.equal((await store.all()).length, 1)
  for await (const { sid } of store.entries()) assert.equal(sid, 'a')
  assert.equal(await store.pruneSessions(), 0)
  await store.clear()
  assert.equal(await store.length(), 0)
  await store.close()
  console.log('every verb works')
}
