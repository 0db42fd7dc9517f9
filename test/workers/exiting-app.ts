// An app that answers a request, lets go of what it holds, and has to end by itself.

import postgres from 'postgres'
import { browser, serve } from '../support/app.ts'
import { Store, sessionOf } from '../support/store.ts'

const url = process.env['URL_OF_TEST'] as string
const mode = process.env['MODE']

async function main(): Promise<void> {
  if (mode === 'unused') return void new Store({ conString: url })
  if (mode === 'signal') return signal()
  if (mode === 'fault') return fault()
  if (mode === 'refused') {
    const store = new Store({ conString: 'postgres://127.0.0.1:1/none', timeout: 0.3, errorLog() {} })
    await store.get('a').catch((error) => console.log(error.code))
    return
  }
  const sql = mode === 'instance' ? postgres(url) : undefined
  const store = new Store(sql ? { postgres: sql } : { conString: url })
  const app = await serve({ store })
  const ann = browser()
  await ann.get(app, '/login?user=ann')
  await ann.get(app, '/me')
  await app.close()
  if (mode !== 'timer') await store.close()
  await sql?.end()
}

/** Saves without end until it is told to stop. */
async function signal(): Promise<void> {
  const store = new Store({ conString: url })
  let acknowledged = 0
  let going = true
  process.once('SIGTERM', () => {
    going = false
    void store.close().then(() => console.log(`acknowledged ${acknowledged}`))
  })
  for (let i = 0; going; i++) {
    store.set(`signal-${i}`, sessionOf(), (error) => {
      if (!error) acknowledged++
    })
    if (i === 500) console.log('listening')
    await new Promise((resume) => setTimeout(resume, 1))
  }
}

/** Works on while something goes wrong, and closes in the middle of it. */
async function fault(): Promise<void> {
  const store = new Store({ conString: url, timeout: 1, errorLog() {} })
  await store.set('fault', sessionOf())
  console.log('ready')
  const codes = new Set<string>()
  for (const until = Date.now() + 1500; Date.now() < until; ) {
    await Promise.all(
      Array.from({ length: 20 }, () => store.get('fault').catch(({ code }) => codes.add(code))),
    )
    await new Promise((resume) => setTimeout(resume, 5))
  }
  const work = store.set('fault', sessionOf()).catch(({ code }) => codes.add(code))
  const closing = Date.now()
  await store.close()
  await work
  console.log(`closed within ${Date.now() - closing}, failed with ${[...codes]}`)
}

await main()
const left = Date.now()
process.once('exit', () => console.log(`left alone for ${Date.now() - left}`))
