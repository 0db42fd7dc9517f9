// The command `prune`: deletes expired rows by the store's own prune, and shows how it goes. Promises that
// Ctrl-C lets the batch under way end, and that how many were deleted is said, whatever fails. Must not know
// how rows are deleted.

import { monotonicMs, now } from '../clock.ts'
import { deletes, type Witness } from '../pruning/deletes.ts'
import { type Deletes, prune as pruneRows } from '../pruning/prune.ts'
import type { Table } from '../table/table.ts'
import { ask } from './ask.ts'
import type { Command, FlagValues } from './command.ts'
import { type Contact, cancelStatements, settingsOf, withTable } from './contact.ts'
import { number, type Screen } from './screen.ts'
import { wholeNumber } from './usage.ts'

const BATCH = 1000

// To count what is left can take minutes, and whoever interrupts does not want to wait.
const LAST_COUNT_MS = 2000

// Nobody listens to the events of expired sessions here.
const NOBODY: Witness = { isPresent: () => false, async tell() {} }

export const prune: Command = {
  name: 'prune',
  says: 'Deletes expired sessions in batches, beside the traffic. For cron.',
  flags: {
    limit: { value: 'NUMBER', says: 'delete no more than so many rows' },
    'dry-run': { says: 'only count the expired rows' },
  },
  async run(values, screen) {
    const limit = wholeNumber(values, 'limit', 1) ?? Number.POSITIVE_INFINITY
    return withTable(settingsOf(values, screen.interruption), async (contact) => {
      const expired = await countExpired(contact, contact.settings.timeoutMs)
      if (values['dry-run']) {
        if (values['json']) screen.json({ expired })
        else screen.line(`${number(expired)} sessions have expired.`)
        return 0
      }
      const { deleted, rowsStay } = await screen.letEnd(() =>
        pruneTable(contact.table, limit, expired, screen),
      )
      screen.caveat = `${number(deleted)} expired sessions have been deleted.`
      const { remaining, failure } = await countLeft(contact, values, screen)
      screen.achieved = ''
      const left = remaining === null ? '' : `, left ${number(remaining)}`
      if (values['json']) screen.json({ deleted, remaining })
      else screen.line(`Deleted ${number(deleted)} expired sessions${left}.`)
      if (screen.stop.aborted) return 130
      if (remaining === null) throw failure
      if (deleted === 0 && remaining > 0 && !rowsStay)
        screen.remark('Another process is pruning this table, or the rows are locked.')
      return rowsStay ? 1 : 0
    })
  },
}

async function pruneTable(
  table: Table,
  limit: number,
  expired: number,
  screen: Screen,
): Promise<{ deleted: number; rowsStay: boolean }> {
  const progress = progressOf(Math.min(expired, limit), screen)
  let deleted = 0
  let rowsStay = false
  const count = (rows: number) => {
    deleted += rows
    if (deleted > 0) screen.achieved = `${number(deleted)} expired sessions were deleted before this error:`
    progress(deleted)
  }
  const inner = deletes(table, NOBODY)
  const counted: Deletes = {
    ...inner,
    async oldest(size, place) {
      const batch = await inner.oldest(Math.min(size, limit - deleted), place)
      if ('count' in batch) count(batch.count)
      return batch
    },
    async onPages(from, upTo) {
      // How many rows of a page are deleted cannot be limited.
      if (limit !== Number.POSITIVE_INFINITY) return { count: 0, isOurTurn: true, pages: 0 }
      const batch = await inner.onPages(from, upTo)
      count(batch.count)
      return batch
    },
  }
  await pruneRows(
    counted,
    { from: '', skip: 0 },
    {
      batchSize: BATCH,
      isStopped: () => screen.stop.aborted || deleted >= limit,
      onRowsStay(reason) {
        if (!rowsStay) {
          screen.endProgress()
          screen.remark(`Some rows cannot be deleted, the others are: ${(reason as Error).message}`)
        }
        rowsStay = true
      },
    },
  )
  screen.endProgress()
  return { deleted, rowsStay }
}

/** @returns null for the number, and why, if it cannot be told */
async function countLeft(
  contact: Contact,
  values: FlagValues,
  screen: Screen,
): Promise<{ remaining: number | null; failure?: unknown }> {
  const isStopped = screen.stop.aborted
  try {
    const ms = isStopped ? LAST_COUNT_MS : contact.settings.timeoutMs
    return { remaining: await countExpired(contact, ms) }
  } catch (failure) {
    // Otherwise the server would go on counting.
    if (isStopped) await cancelStatements(values)
    return { remaining: null, failure }
  }
}

/** Of rows that a store would take for expired. */
async function countExpired({ pool, names }: Contact, ms: number): Promise<number> {
  const text = `
    select count(*)::text from ${names.table} s where s.expire < pg_catalog.to_timestamp($1::text::float8)`
  const [row] = await ask(pool, text, [String(now())], ms)
  return Number(row?.[0])
}

const BAR = 20

function progressOf(total: number, screen: Screen): (deleted: number) => void {
  const began = monotonicMs()
  return (deleted) => {
    const share = Math.min(1, deleted / Math.max(total, 1))
    const full = Math.round(share * BAR)
    const rate = deleted / Math.max(0.001, (monotonicMs() - began) / 1000)
    const bar = `${'█'.repeat(full)}${'░'.repeat(BAR - full)}`
    screen.progress(
      `${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${number(deleted)} deleted, ` +
        `${number(rate)} per second, ${number(Math.max(0, total - deleted))} left`,
    )
  }
}
