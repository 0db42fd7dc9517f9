// A small line chart as HTML around an SVG, so that its words keep their size on a narrow screen. Pure.

import { html } from './html.js'

const WIDTH = 100
const HEIGHT = 100

/**
 * @param {{ title: string, unit: string, slots: number, lines: Line[] }} of
 *   `slots`: how many values there will be
 * @typedef {{ kind: string, label: string, values: number[] }} Line
 */
export function chart({ title, unit, slots, lines }) {
  const top = roundUp(Math.max(1, ...lines.flatMap(({ values }) => values)))
  const path = (values) => {
    const points = values.map((value, i) => [(i * WIDTH) / (slots - 1), HEIGHT - (value * HEIGHT) / top])
    return points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('')
  }
  const inWords = lines.map(({ label, values }) => `${label} ${values.map(Math.round).join(', ')}`).join('; ')
  return html`<figure class="chart">
<figcaption>${title} <span class="unit">${unit}</span></figcaption>
<div class="plot"><span class="top">${top.toLocaleString('en')}</span>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${title}: ${inWords}">
<path class="grid" d="M0 0H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT}H${WIDTH}"/>
${lines.map(({ kind, values }) => html`<path class="line ${kind}" d="${path(values)}"/>`)}
</svg></div></figure>`
}

/** To a number that is easy to read: few digits, then zeros. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ([1, 1.5, 2, 3, 4, 6, 8, 10].find((step) => step * power >= value) ?? 10)
}
