// The page as HTML. Pure: must not know where what it shows comes from.

import { html } from './html.js'
import { LABELS } from './labels.js'

/**
 * @typedef Panel a service, as the page shows it
 * @property {string} id
 * @property {string} name
 * @property {string} says
 * @property {unknown} link to its code
 * @property {unknown} body
 *
 * @typedef Show
 * @property {{ id: string, title: string, button: string, says: unknown, links: unknown[] }[]} tries
 * @property {[Panel, Panel]} panels
 * @property {Map<string, import('./watch.js').Row>} rows
 * @property {string} own id of the row of whoever looks
 * @property {import('./live.js').Live} live
 * @property {unknown} link to the code of the table
 */

/** @param {Show} show */
export function page({ panels: [before, after], tries, rows, own, live, link }) {
  return String(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Two session stores, one table: connect-postgres-simple</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<script src="/page.js" type="module"></script>
</head>
<body>
<header>
<h1>Two session stores, one table</h1>
<p>Two Express services of one company. One still keeps its sessions with connect-pg-simple, the other has
moved to connect-postgres-simple. <strong>Log in at one, and you are logged in at the other.</strong></p>
</header>
<main data-own="${own}">
<div class="services">
${panel('before', before, live)}
${table(rows, link)}
${panel('after', after, live)}
</div>
<h2>What differs</h2>
<p class="lead">Each button does the same to both stores, with users of its own, over HTTP.
Watch their rows above.</p>
<div class="tries">${tries.map((each) => tryCard(each, live))}</div>
</main>
<footer><p>No request leaves this machine. Reload the page if you have no JavaScript.</p></footer>
</body>
</html>`)
}

const panel = (kind, { id, name, says, link, body }, live) => html`<section class="panel ${kind}" id="${id}"
aria-labelledby="${id}-name">
<h2 id="${id}-name">${name}</h2>
<p class="says">${says} Code: ${link}</p>
<div class="body">${body}</div>
<div class="counters" id="${id}-counters">${live.latest(`${id}-counters`)}</div>
</section>`

/** @param {Record<string, number | string>} counts */
export const strip = (counts) =>
  html`<dl>${Object.entries(counts).map(
    ([name, value]) => html`<div><dt>${name}</dt><dd>${value.toLocaleString('en')}</dd></div>`,
  )}</dl>`

const table = (rows, link) => html`<section class="table" aria-labelledby="table-name">
<h2 id="table-name">The table <code>session</code>, live</h2>
<p class="says">Every write shows here as it happens, told by a trigger. Code: ${link}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Rows">
<table>
<thead><tr><th scope="col">sid</th><th scope="col">User</th><th scope="col" class="number">Size</th>
<th scope="col" class="number">Expires in</th><th scope="col">Last write</th></tr></thead>
<tbody id="rows">${tableRows(rows)}</tbody>
</table>
<p class="empty">No row yet. A visitor gets one at the login.</p>
</div>
</section>`

/** The newest first. */
export const tableRows = (rows) => html`${[...rows.values()].reverse().map(tableRow)}`

/** @param {import('./watch.js').Row} row */
export function tableRow({ id, user, bytes, expires, verb, by }) {
  const kind = { 'connect-pg-simple': 'before', 'connect-postgres-simple': 'after' }[by] ?? 'other'
  return html`<tr id="row-${id}" class="${verb} ${kind}">
<td><code>${id.slice(0, 6)}</code><span class="you">you</span></td>
<td class="user">${user ?? '–'}</td><td class="number">${bytes} B</td>
<td class="number"><time data-expires="${expires}">${timeLeft(expires)}</time></td>
<td>${verb} by <span class="by ${kind}">${LABELS[kind] ?? by}</span></td></tr>`
}

/** As public/page.js counts it down. */
function timeLeft(expires) {
  const seconds = Math.floor(expires - Date.now() / 1000)
  if (seconds <= 0) return 'expired'
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

const tryCard = ({ id, title, button, says, links }, live) => html`<section class="try" id="${id}"
aria-labelledby="${id}-name">
<h3 id="${id}-name">${title}</h3>
<p>${says}</p>
<form method="post" action="/try/${id}"><button id="${id}-button">${button}</button></form>
<div id="${id}-chart">${live.latest(`${id}-chart`)}</div>
<div id="${id}-outcome" role="status">${live.latest(`${id}-outcome`)}</div>
<p class="links">Code: ${links.map((link, i) => html`${i > 0 && ' · '}${link}`)}</p>
</section>`

/** @param {(import('./stage.js').Outcome & { who: string })[]} outcomes */
export const outcomeList = (outcomes) =>
  html`<ul class="outcomes">${outcomes.map(
    ({
      kind,
      who,
      good,
      says,
    }) => html`<li class="${good ? 'good' : 'bad'}"><span class="by ${kind}">${who}</span>
<span>${says}</span></li>`,
  )}</ul>`
