// Asks every host of the address what it is. Promises to try each once, that a standby is an answer and not an
// error, and that nothing more is sent after Ctrl-C. Must not know what is asked of the primary afterwards.

import { monotonicMs } from '../../clock.ts'
import { lentOptions } from '../../connection/driver.ts'
import type { DriverOptions } from '../../connection/instance.ts'
import { OwnClient } from '../../connection/own-client.ts'
import { codeOf, type StoreError, withoutData } from '../../errors.ts'
import type { Settings } from '../../settings/settings.ts'
import { READ_ONLY } from '../../sqlstate.ts'
import type { Repairable } from './check.ts'
import { repairable } from './probe.ts'

const CONTACT_MS = 5000

interface Host {
  readonly name: string
  /** Tells servers apart that have several names: when it started, and on which port it listens. */
  readonly primary?: string
  readonly isStandby?: true
  readonly error?: StoreError
}

const IDENTITY = `
  select pg_catalog.pg_postmaster_start_time()::text || ' ' || pg_catalog.current_setting('port')`

async function visit(options: DriverOptions, i: number, stop: AbortSignal | undefined): Promise<Host> {
  const [host, port] = [options.host.slice(i, i + 1), options.port.slice(i, i + 1)]
  const name = options['path'] || `${host[0]}:${port[0]}`
  const client = new OwnClient({ ...options, host, port }, () => {})
  const giveUp = () => client.reset()
  stop?.addEventListener('abort', giveUp)
  try {
    const until = monotonicMs() + CONTACT_MS
    const [row] = await client.query(IDENTITY, () => [], until, until)
    return { name, primary: String(row?.[0]) }
  } catch (failure) {
    const error = withoutData(failure, client.server)
    return codeOf(error) === READ_ONLY ? { name, isStandby: true } : { name, error }
  } finally {
    stop?.removeEventListener('abort', giveUp)
    await client.end()
  }
}

const inWords = ({ name, isStandby, error }: Host): string =>
  `${name} ${isStandby ? 'is a standby' : error ? `cannot be reached (${error.code})` : 'is a primary'}`

/**
 * @returns the findings, and whether there is a primary to ask further
 * @throws StoreError if no host can be reached
 */
export async function askHosts(
  settings: Settings,
): Promise<{ findings: readonly Repairable[]; hasPrimary: boolean }> {
  // All are asked at the same time, so that none takes time from the others.
  const options = lentOptions({ ...settings, contactMs: undefined })
  const hosts = await Promise.all(options.host.map((_, i) => visit(options, i, settings.stop)))
  const primaries = new Set(hosts.flatMap(({ primary }) => primary ?? []))
  const failed = hosts.filter(({ error }) => error)
  if (failed.length === hosts.length) throw failed[0]?.error
  const found = hosts.map(inWords).join(', ')
  if (primaries.size === 0) {
    const meaning =
      'The store works on the primary only, and fails with 25006 until there is one. connect-pg-simple ' +
      'reads from a standby, too old sessions at times, and cannot save any. Give the address of the ' +
      'primary, or of all hosts.'
    const finding = { code: 'standby', severity: 'error', expected: 'a primary', found, meaning } as const
    return { findings: [repairable(finding)], hasPrimary: false }
  }
  if (failed.length === 0 && primaries.size === 1) return { findings: [], hasPrimary: true }
  const isSplit = primaries.size > 1
  const finding = {
    code: 'several-hosts',
    severity: isSplit ? 'error' : 'warning',
    expected: 'one primary, and standbys that can be reached',
    found,
    meaning: isSplit
      ? 'Sessions are saved on whichever primary a process came to, and are not found on the others: ' +
        'users are logged out at random.'
      : 'The store goes on with the others. If the primary is lost, this one may be needed. ' +
        'node-postgres, and so connect-pg-simple, has no addresses of several hosts.',
  } as const
  return { findings: [repairable(finding)], hasPrimary: true }
}
