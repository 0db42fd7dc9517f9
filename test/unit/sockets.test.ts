// Sockets that end at what would break the driver, and that send nothing once they were given up. No database.

import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { asError, checked, dead, hangUp } from '../../src/connection/sockets.ts'
import { promises } from '../support/promise.ts'

const test = promises('sockets')

/** What its listeners hear until it has ended, or for a moment. */
function heardOf(socket: Socket): Promise<{ data: string; error?: any }> {
  return new Promise((resolve) => {
    const heard: { data: string; error?: unknown } = { data: '' }
    socket.on('data', (data) => {
      heard.data += data.toString('latin1')
    })
    socket.on('error', (error) => {
      heard.error = error
    })
    socket.on('close', () => resolve(heard))
    setTimeout(() => socket.destroy(), 50)
  })
}
const READY = Buffer.from('Z\0\0\0\x05I', 'latin1')

test('a sound message reaches the driver', async () => {
  const socket = checked(new Socket())
  const heard = heardOf(socket)
  assert.equal(typeof socket.push(READY), 'boolean')
  assert.deepEqual(await heard, { data: READY.toString('latin1') })
})

test('a malformed message ends the connection by STORE_PROTOCOL, and nothing of it reaches the driver', async () => {
  const socket = checked(new Socket())
  const heard = heardOf(socket)
  // False asks the network to wait.
  assert.equal(socket.push(Buffer.from('HTTP/1.1 400 Bad Request')), false)
  const { data, error } = await heard
  assert.equal(data, '')
  assert.equal(error.code, 'STORE_PROTOCOL')
  assert.match(error.message, /what the driver does not understand/)
})

test('the end of what the server says is passed on', async () => {
  const socket = checked(new Socket({ allowHalfOpen: true }))
  const ended = new Promise((resolve) => socket.on('end', resolve).resume())
  socket.push(null)
  await ended
  socket.destroy()
})

test('a socket that was given up tells its listeners why', async () => {
  const [given, socket] = [new Error('given up'), new Socket()]
  const heard = heardOf(socket)
  hangUp(socket, given)
  assert.deepEqual(await heard, { data: '', error: given })
})

test('in place of a socket that could not be opened comes one that fails for the same reason', async () => {
  const reason = new Error('refused')
  assert.equal((await heardOf(dead(reason))).error, reason)
  assert.equal(asError(reason), reason)
  assert.match(asError('refused').message, /could not be opened/)
})
