// Everything that can be tried, and running it: one at a time, as one that restarts the server would disturb
// the others. Promises that what comes of it is shown in every window, also a failure.

import { html } from './html.js'
import { LABELS } from './labels.js'
import { outcomeList } from './page.js'
import { everywhere } from './try/everywhere.js'
import { load } from './try/load.js'
import { logout } from './try/logout.js'
import { prune } from './try/prune.js'
import { restart } from './try/restart.js'
import { tabs } from './try/tabs.js'

export const tries = [logout, tabs, everywhere, prune, restart, load]

let last = Promise.resolve()

/**
 * @param {(typeof tries)[number]} which
 * @param {import('./stage.js').Stage} stage
 * @returns {Promise<void>}
 */
export function run(which, stage) {
  const { id } = which
  const show = (what) => stage.live.show(`${id}-outcome`, what)
  show(html`<p class="running">Running …</p>`)
  last = last.then(async () => {
    try {
      const outcomes = await which.run(stage)
      show(outcomeList(outcomes.map((outcome) => ({ ...outcome, who: LABELS[outcome.kind] }))))
    } catch (error) {
      console.error(error)
      show(html`<p>It could not be tried: ${error.message}</p>`)
    }
  })
  return last
}
