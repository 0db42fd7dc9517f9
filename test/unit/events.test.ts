// How listeners are called. No database.

import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { Events } from '../../src/events.ts'
import { promises } from '../support/promise.ts'

const test = promises('events')

const made = () => {
  const emitter = new EventEmitter()
  const reported: unknown[] = []
  const events = new Events(emitter, (message, error) => reported.push([message, error]))
  return { emitter, events, reported }
}

test('an event has a listener from the first to the last one', () => {
  const { emitter, events } = made()
  const listener = () => {}
  assert.equal(events.hasListener('expire'), false)
  emitter.on('expire', listener)
  assert.equal(events.hasListener('expire'), true)
  assert.equal(events.hasListener('destroy'), false)
  emitter.off('expire', listener)
  assert.equal(events.hasListener('expire'), false)
})

test('every listener gets the event, with the store as `this`, also behind one that throws or rejects', async () => {
  const { emitter, events, reported } = made()
  const [thrown, rejected] = [new Error('thrown'), new Error('rejected')]
  const heard: unknown[] = []
  emitter.on('destroy', () => {
    throw thrown
  })
  emitter.on('destroy', () => Promise.reject(rejected))
  emitter.on('destroy', function (this: unknown, ...args) {
    heard.push(this, ...args)
  })
  events.tell('destroy', { sid: 'a' })
  await new Promise((resume) => setImmediate(resume))
  assert.deepEqual(heard, [emitter, { sid: 'a' }])
  assert.deepEqual(reported, [
    ['A listener of `destroy` failed', thrown],
    ['A listener of `destroy` failed', rejected],
  ])
})

test('a listener by `once` hears one event', () => {
  const { emitter, events } = made()
  const heard: unknown[] = []
  emitter.once('expire', ({ sid }) => heard.push(sid))
  for (const sid of ['a', 'b']) events.tell('expire', { sid, session: null })
  assert.deepEqual(heard, ['a'])
})
