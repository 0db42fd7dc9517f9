// Lets fifty users ask at once, in short turns of both stores, and draws how it goes.

import { setTimeout as pause } from 'node:timers/promises'
import { chart } from '../chart.js'
import { codeLink } from '../code.js'
import { html } from '../html.js'
import { LABELS } from '../labels.js'
import { Crowd } from '../load/crowd.js'
import { USERS } from '../load/load.js'

const TURNS = 8
const TURN_MS = 500

export const load = {
  id: 'load',
  title: 'Fifty users at once, the database 2 ms away',
  button: 'Let fifty users in',
  says: html`Each user asks again as soon as there is an answer, a <code>get</code> and a <code>touch</code>:
this store sends what comes at the same moment as one statement, so that fifty users share a few round trips.
The stores take turns of half a second, with their default pools of 10 and 4 connections.`,
  links: [
    codeLink('this try', 'demo/try/load.js', 'async run'),
    codeLink('the way to the database', 'demo/load/relay.js', 'createServer((client)'),
    codeLink('this store', 'src/', 'class Batcher'),
    codeLink('connect-pg-simple', 'connect-pg-simple/index.js', 'this.#pool.query(query, params)'),
  ],

  /** @param {import('../stage.js').Stage} stage */
  async run({ load, live }) {
    const { services, roundTripMs } = await load()
    const kinds = /** @type {const} */ (['before', 'after'])
    const turns = { before: [], after: [] }
    const draw = () => live.show('load-chart', charts(kinds.map((kind) => ({ kind, turns: turns[kind] }))))
    // The first turns are not counted: compilers and connections get warm.
    for (const kind of [...kinds, ...kinds]) await turn(services[kind])
    for (let i = 0; i < TURNS; i++) {
      for (const kind of i % 2 === 0 ? kinds : kinds.toReversed()) {
        turns[kind].push(await turn(services[kind]))
        draw()
      }
    }
    const rates = kinds.map((kind) => median(turns[kind].map(({ rate }) => rate)))
    const p99s = kinds.map((kind) => median(turns[kind].map(({ p99 }) => p99)))
    return kinds.map((kind, i) => ({
      kind,
      good: rates[i] >= rates[1 - i],
      says: `${number(rates[i])} requests a second; 99 of 100 within ${number(p99s[i])} ms.${
        i === 0 ? ` A round trip to the database takes ${roundTripMs.toFixed(1)} ms.` : ''
      }`,
    }))
  },
}

/** @returns {Promise<{ rate: number, p99: number }>} requests per second, and milliseconds */
async function turn({ url, cookies }) {
  const crowd = new Crowd(url, cookies.slice(0, USERS))
  const began = performance.now()
  crowd.start()
  await pause(TURN_MS)
  await crowd.stop()
  const seconds = (performance.now() - began) / 1000
  const { answered, failed, latencies } = crowd
  if (failed > 0) throw new Error(`${failed} requests failed`)
  latencies.sort((a, b) => a - b)
  return { rate: answered / seconds, p99: latencies[Math.floor(latencies.length * 0.99)] }
}

function charts(stores) {
  const lines = (of) =>
    stores.map(({ kind, turns }) => ({ kind, label: LABELS[kind], values: turns.map((turn) => turn[of]) }))
  return html`<div class="charts">
${chart({ title: 'Requests', unit: 'a second, more is better', slots: TURNS, lines: lines('rate') })}
${chart({ title: '99 of 100 within', unit: 'ms, less is better', slots: TURNS, lines: lines('p99') })}
</div>
<ul class="legend">${stores.map(({ kind }) => html`<li class="${kind}">${LABELS[kind]}</li>`)}</ul>`
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]
const number = (value) => Math.round(value).toLocaleString('en')
