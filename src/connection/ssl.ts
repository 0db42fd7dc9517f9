// Turns `ssl`, `sslmode` and related parameters into options of node:tls: `true` for its defaults, false for
// no encryption. Means by them what node-postgres does: every mode that encrypts also verifies the server,
// except `no-verify`. Must not know what the connection is for.

import { readFileSync } from 'node:fs'

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify']

/** From `ssl`, a key of a connection object or a parameter of a URL. */
export function sslOf(ssl: unknown): boolean | object {
  // `key` is copied by name: node-postgres' pool makes it non-enumerable, and the driver copies enumerable
  // keys only.
  if (typeof ssl === 'object' && ssl) return 'key' in ssl ? { ...ssl, key: ssl.key } : ssl
  if (typeof ssl !== 'string') return Boolean(ssl)
  if (ssl === 'true' || ssl === '1') return true
  if (ssl === 'false' || ssl === '0' || ssl === '') return false
  if (MODES.includes(ssl)) return sslOfMode(ssl) as boolean | object
  throw new TypeError('Expected `ssl` to be true, false, no-verify, or an object of options for node:tls')
}

/** From PGSSLMODE. `allow` and unknown modes count as not set. */
export function sslOfEnvironment({ PGSSLMODE: mode = '' }: NodeJS.ProcessEnv): boolean | object | undefined {
  return mode === 'allow' || !MODES.includes(mode) ? undefined : sslOfMode(mode)
}

/**
 * From the parameters of a URL; undefined if none of them is about encryption.
 * @throws TypeError also for a file that cannot be read
 */
export function sslOfParameters(all: Record<string, string | undefined>): boolean | object | undefined {
  const { ssl, sslmode, sslcert, sslkey, sslrootcert, sslnegotiation, uselibpqcompat } = all
  const files = {
    ...(sslcert && { cert: textOf('sslcert', sslcert) }),
    ...(sslkey && { key: textOf('sslkey', sslkey) }),
    ...(sslrootcert && { ca: textOf('sslrootcert', sslrootcert) }),
  }
  const mode = uselibpqcompat === 'true' ? libpqMode(sslmode, sslrootcert) : sslOfMode(sslmode)
  if (mode === false) return false
  if (mode !== undefined || Object.keys(files).length > 0)
    return { ...files, ...(typeof mode === 'object' && mode) }
  // `sslnegotiation=direct` alone asks for encryption, too.
  return ssl === undefined ? (sslnegotiation === 'direct' ? true : undefined) : sslOf(ssl)
}

function textOf(parameter: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    // Node's message is not passed on, as it quotes the path. Whoever mistook the parameter may have put the
    // key itself there.
    const { code } = error as NodeJS.ErrnoException
    throw new TypeError(`Expected \`${parameter}\` to be the path of a file that can be read [${code}]`)
  }
}

function sslOfMode(mode: string | undefined): boolean | object | undefined {
  if (mode === undefined || mode === '') return undefined
  if (mode === 'disable') return false
  return mode === 'no-verify' ? { rejectUnauthorized: false } : true
}

/** What psql means by the mode. node-postgres does the same for `uselibpqcompat=true`. */
function libpqMode(
  mode: string | undefined,
  rootCertificate: string | undefined,
): boolean | object | undefined {
  if (mode === 'verify-ca' && !rootCertificate) {
    throw new TypeError(
      'Expected `sslrootcert` with `sslmode=verify-ca`: else anybody with a certificate passes',
    )
  }
  if (mode === 'prefer' || (mode === 'require' && !rootCertificate)) return { rejectUnauthorized: false }
  if (mode === 'require' || mode === 'verify-ca') return { checkServerIdentity: () => undefined }
  return sslOfMode(mode)
}
