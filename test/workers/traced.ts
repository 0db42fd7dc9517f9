// An app that does one of each, for what it prints about that.

import { Store, sessionOf } from '../support/store.ts'

const store = new Store({ conString: process.env['URL_OF_TEST'] as string, pruneSessionInterval: false })
const sid = process.env['SID_OF_TEST'] as string
await store.set(sid, sessionOf({ word: 'hush' }))
await store.get(sid)
await store.get('').catch(() => {})
await store.pruneSessions()
await store.close()
