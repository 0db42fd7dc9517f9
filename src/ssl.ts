// What `sslmode` and its like mean, in node-postgres' sense: whatever encrypts also verifies, but for `no-verify`. Gives the
// options of node:tls, `true` for its defaults, or false for no encryption. Must not know where they come from.

import { readFileSync } from 'node:fs'

/** From the parameters of a URL; undefined where they say nothing of it. */
export function sslOfParameters(all: Record<string, string | undefined>): boolean | object | undefined {
  const { ssl, sslmode, sslcert, sslkey, sslrootcert, uselibpqcompat } = all
  const files = {
    ...(sslcert && { cert: readFileSync(sslcert, 'utf8') }),
    ...(sslkey && { key: readFileSync(sslkey, 'utf8') }),
    ...(sslrootcert && { ca: readFileSync(sslrootcert, 'utf8') }),
  }
  const mode = uselibpqcompat === 'true' ? libpqMode(sslmode, sslrootcert) : sslOfMode(sslmode)
  if (mode === false) return false
  if (mode !== undefined || Object.keys(files).length > 0)
    return { ...files, ...(typeof mode === 'object' && mode) }
  return ssl === 'true' || ssl === '1' ? true : ssl === '0' || ssl === 'false' ? false : undefined
}

export function sslOfMode(mode: string | undefined): boolean | object | undefined {
  if (mode === undefined || mode === '') return undefined
  if (mode === 'disable') return false
  return mode === 'no-verify' ? { rejectUnauthorized: false } : true
}

/** What psql means by the mode; node-postgres does so when asked by `uselibpqcompat=true`. */
function libpqMode(
  mode: string | undefined,
  rootCertificate: string | undefined,
): boolean | object | undefined {
  if (mode === 'prefer' || (mode === 'require' && !rootCertificate)) return { rejectUnauthorized: false }
  if (mode === 'require' || mode === 'verify-ca') return { checkServerIdentity: () => undefined }
  return sslOfMode(mode)
}
