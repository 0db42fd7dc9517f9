// Charts as SVG, each for light and for dark pages. Knows how bars and lines with their spread are drawn,
// and nothing of what they show.

import { parse, View } from 'vega'
import { compile } from 'vega-lite'

const THEMES = {
  light: { background: '#ffffff', text: '#1f2328', grid: '#d8dee4' },
  dark: { background: '#0d1117', text: '#e6edf3', grid: '#30363d' },
}

/**
 * @typedef {{ store: string, value: number, low: number, high: number }} Point
 * @typedef {{ title: string[], y: string, colors: Record<string, string> }} Chart
 */

/**
 * Groups of bars.
 * @param {Chart} chart
 * @param {(Point & { group: string })[]} points a `|` in the name of a group begins a line
 */
export const bars = (chart, points) =>
  inThemes(chart, points, {
    width: { step: stepOf(points) },
    x: {
      field: 'group',
      title: null,
      sort: null,
      axis: { labelAngle: 0, labelLimit: 0, labelExpr: "split(datum.label, '|')" },
    },
    xOffset: { field: 'store', sort: null },
    y: { type: 'quantitative', title: chart.y },
    mark: { type: 'bar' },
  })

/**
 * Lines over axes of powers of ten.
 * @param {Chart & { x: string }} chart
 * @param {(Point & { x: number, mark?: string })[]} points `mark` is a text that stands in the place of the
 *   point
 */
export const lines = (chart, points) =>
  inThemes(chart, points, {
    width: 560,
    x: { field: 'x', type: 'quantitative', title: chart.x, scale: { type: 'log', nice: false } },
    y: { type: 'quantitative', title: chart.y, scale: { type: 'log' } },
    mark: { type: 'line', point: true },
  })

/** How broad a bar is: few of them fill the chart, too. */
function stepOf(points) {
  const names = new Set(points.map(({ store }) => store))
  const groups = new Set(points.map(({ group }) => group))
  return Math.max(12, Math.floor(560 / (groups.size * (names.size + 1))))
}

/** @returns {Promise<Record<string, string>>} SVG by theme */
async function inThemes({ title, colors }, values, { width, x, xOffset = undefined, y, mark }) {
  const names = [...new Set(values.map(({ store }) => store))]
  const legend = { orient: 'bottom', direction: 'vertical', columns: 1, labelLimit: 0, symbolLimit: 0 }
  const scale = { domain: names, range: names.map((name) => colors[name]) }
  const place = { x, ...(xOffset && { xOffset }) }
  const layer = [
    {
      mark,
      encoding: {
        ...place,
        y: { field: 'value', ...y },
        color: { field: 'store', title: null, sort: null, scale, legend },
      },
    },
    // The lowest and the highest round.
    {
      mark: { type: 'rule', strokeWidth: 1.5 },
      encoding: { ...place, y: { field: 'low', type: 'quantitative' }, y2: { field: 'high' } },
    },
    {
      transform: [{ filter: 'isValid(datum.mark)' }],
      mark: { type: 'text', fontSize: 18, fontWeight: 'bold', dy: -12 },
      encoding: { ...place, y: { field: 'value', ...y }, text: { field: 'mark' } },
    },
  ]
  const themes = Object.entries(THEMES).map(async ([theme, { background, text, grid }]) => {
    const { spec } = compile(
      /** @type {any} */ ({
        title: { text: title, anchor: 'start' },
        data: { values },
        width,
        height: 300,
        layer,
        config: {
          background,
          font: 'system-ui, sans-serif',
          title: { color: text, fontSize: 14 },
          axis: { labelColor: text, titleColor: text, gridColor: grid, domainColor: text, tickColor: text },
          legend: { labelColor: text, titleColor: text },
          rule: { color: text },
          text: { color: text },
          view: { stroke: null },
        },
      }),
    )
    return [theme, await new View(parse(spec), { renderer: 'none' }).toSVG()]
  })
  return Object.fromEntries(await Promise.all(themes))
}
