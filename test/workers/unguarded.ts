// An app that listens to no error of the process: works on a store for so many seconds, and says how it went.

import { Store, sessionOf } from '../support/store.ts'

const { URL_OF_TEST: conString, OPTIONS = '{}', SECONDS } = process.env
const logged: string[] = []
const store = new Store({
  conString: conString as string,
  pruneSessionInterval: false,
  errorLog: (message) => void logged.push(message),
  ...JSON.parse(OPTIONS),
})
const codes: Record<string, number> = {}
let last = ''
const started = Date.now()
console.log('begun')
while (Date.now() < started + Number(SECONDS) * 1000) {
  await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      (i % 2 ? store.get(`u-${i}`) : store.set(`u-${i}`, sessionOf({ i }))).then(
        () => {
          last = 'ok'
          codes['ok'] = (codes['ok'] ?? 0) + 1
        },
        ({ code }) => {
          last = code
          codes[code] = (codes[code] ?? 0) + 1
        },
      ),
    ),
  )
  await new Promise((resume) => setTimeout(resume, 20))
}
await store.close()
console.log(`survived ${JSON.stringify({ codes, last, logged })}`)
