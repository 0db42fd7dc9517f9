// Restarts PostgreSQL while users are at work.

import { codeLink } from '../code.js'
import { html } from '../html.js'
import { Crowd } from '../load/crowd.js'
import { connectionName } from '../stores.js'

const USERS = 10
/** Answers to wait for before the restart, and after it. */
const SOME = 100

export const restart = {
  id: 'restart',
  title: 'Restart PostgreSQL under load',
  button: 'Restart PostgreSQL',
  says: html`Ten users of each store go on asking: what fails in transit this store sends again within its
<code>timeout</code>, so that for users the restart is a pause.`,
  links: [
    codeLink('this try', 'demo/try/restart.js', 'async run'),
    codeLink('this store', 'src/', 'export function isTransient'),
    codeLink('connect-pg-simple', 'connect-pg-simple/index.js', 'this.#pool.query(query, params)'),
  ],

  /** @param {import('../stage.js').Stage} stage */
  async run({ database, load }) {
    const { services } = await load()
    const crowds = /** @type {const} */ (['before', 'after']).map((kind) => {
      const { url, cookies } = services[kind]
      return { kind, crowd: new Crowd(url, cookies.slice(0, USERS)) }
    })
    const someMore = () => {
      const enough = crowds.map(({ crowd }) => crowd.answered + SOME)
      return until(() => crowds.every(({ crowd }, i) => crowd.answered >= enough[i]))
    }
    for (const { crowd } of crowds) crowd.start()
    try {
      await someMore()
      await database.restart(crowds.map(({ kind }) => connectionName(kind, database.schema)))
      await someMore()
    } finally {
      await Promise.all(crowds.map(({ crowd }) => crowd.stop()))
    }
    return crowds.map(({ kind, crowd: { answered, failed, latencies } }) => ({
      kind,
      good: failed === 0,
      says: `${words(failed)} of ${(answered + failed).toLocaleString('en')} requests failed. ${
        failed === 0
          ? `A pause: the longest took ${Math.round(latencies.sort((a, b) => b - a)[0]).toLocaleString('en')} ms.`
          : ''
      }`,
    }))
  },
}

const words = (failed) => (failed === 0 ? 'None' : failed.toLocaleString('en'))

async function until(condition) {
  for (let waits = 0; !condition(); waits++) {
    if (waits === 1500) throw new Error('PostgreSQL did not come back within 30 seconds')
    await new Promise((resume) => setTimeout(resume, 20))
  }
}
