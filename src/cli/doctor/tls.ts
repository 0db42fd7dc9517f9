// Tells whether others on the way to the server can read or change sessions, by the connection settings. Asks
// nobody. Must not know how TLS works.

import { isIP } from 'node:net'
import { lentOptions } from '../../connection/driver.ts'
import { type Probe, repairable } from './probe.ts'

const isLocal = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

export const tls: Probe = {
  codes: ['tls-off', 'tls-unverified'],
  async look({ settings }) {
    const { host: hosts, path, ssl } = lentOptions(settings)
    const remote = path ? undefined : hosts.find((host) => !isLocal(host))
    if (remote === undefined) return []
    if (!ssl) {
      return [
        repairable({
          code: 'tls-off',
          severity: 'warning',
          expected: `TLS on the way to ${remote}`,
          found: 'none',
          meaning:
            'Who is on that way reads the password, every sid and every session, and can change them. Add ' +
            '`sslmode=verify-full` to the URL.',
        }),
      ]
    }
    if (ssl.rejectUnauthorized !== false) return []
    return [
      repairable({
        code: 'tls-unverified',
        severity: 'warning',
        expected: `a certificate of ${remote} that is verified`,
        found: 'any certificate is taken',
        meaning:
          'Who is on the way to the server can pose as it, and read and change every session. Use ' +
          '`sslmode=verify-full`, with `sslrootcert` for an authority of your own.',
      }),
    ]
  },
}
