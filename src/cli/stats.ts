// The command `stats`: shows what the table holds. Must not know how that is measured.

import type { Command } from './command.ts'
import { settingsOf, withTable } from './contact.ts'
import { number, printable, type Screen } from './screen.ts'
import { measure, type Stats } from './stats/measure.ts'

export const stats: Command = {
  name: 'stats',
  says: 'Shows how many sessions there are, when they end, how large they are, and what they take.',
  flags: {},
  async run(values, screen) {
    const measured = await withTable(settingsOf(values, screen.interruption), measure)
    if (values['json']) screen.json(measured)
    else show(measured, screen)
    return 0
  },
}

function show(stats: Stats, screen: Screen): void {
  const { live, expired, oldestExpired, sizes, keys, sample, disk, deadRows, lastAutovacuum } = stats
  const title = (text: string) => screen.line(screen.paint('bold', text))
  const pair = (name: string, value: string) =>
    screen.line(`  ${screen.paint('dim', name.padEnd(18))}${value}`)
  title('Sessions')
  pair('live', number(live))
  pair(
    'waiting for prune',
    `${number(expired)}${oldestExpired ? `, the oldest since ${shortTime(oldestExpired)}` : ''}`,
  )
  screen.line()
  title('They end within')
  for (const line of chart(stats, screen)) screen.line(line)
  screen.line()
  const isWhole = sample.share === 1
  const percent = (100 * sample.share).toPrecision(2)
  title(isWhole ? 'Sizes' : `Sizes, by a sample of ${number(sample.rows)} rows (${percent} % of the table)`)
  if (sizes)
    pair('of a session', `p50 ${bytes(sizes.p50)}, p99 ${bytes(sizes.p99)}, largest ${bytes(sizes.max)}`)
  for (const { key, share } of keys)
    pair(quotedKey(key), `${(100 * share).toFixed(1).padStart(5)} % of the bytes`)
  screen.line()
  title('On disk')
  pair('table', bytes(disk.table))
  pair('out of line', `${bytes(disk.toast)} (TOAST)`)
  pair('indexes', bytes(disk.indexes))
  pair('dead rows', number(deadRows))
  pair('last autovacuum', lastAutovacuum ? shortTime(lastAutovacuum) : 'never')
}

/** A line for every two hours, and one for those that end later. */
function chart({ endsByHour, endsLater }: Stats, screen: Screen): string[] {
  const lines: [string, number][] = []
  for (let hour = 0; hour < endsByHour.length; hour += 2)
    lines.push([`${hour + 2} hours`, (endsByHour[hour] ?? 0) + (endsByHour[hour + 1] ?? 0)])
  lines.push(['later', endsLater])
  const most = Math.max(1, ...lines.map(([, count]) => count))
  const room = screen.width - 32
  return lines.map(([name, count]) => {
    const bar = '█'.repeat(Math.ceil((count / most) * room))
    return `  ${screen.paint('dim', name.padStart(8))}  ${screen.paint('cyan', bar)} ${number(count)}`
  })
}

/** A key may hold anything, also what a terminal would obey. */
const quotedKey = (key: string): string => {
  const text = printable(key)
  return text.length > 16 ? `${text.slice(0, 15)}…` : text
}

const shortTime = (iso: string): string => `${iso.slice(0, 16).replace('T', ' ')} UTC`

function bytes(count: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10))
  return `${power === 0 ? count : (count / 1024 ** power).toFixed(1)} ${units[power]}`
}
