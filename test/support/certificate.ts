// A certificate for this machine that vouches for itself. Knows nothing of who uses it.

import { generate } from 'selfsigned'

export interface Certificate {
  key: string
  cert: string
}

let made: Promise<Certificate> | undefined

/** The same one for the whole process. */
export function certificate(): Promise<Certificate> {
  made ??= generate([{ name: 'commonName', value: 'localhost' }], {
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  }).then(({ private: key, cert }) => ({ key, cert }))
  return made
}
