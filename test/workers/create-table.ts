// Starts a store on a database that has no table yet, together with others, and stores a session.

import { sessionOf, withStore } from '../support/store.ts'

const { url, sid } = JSON.parse(process.argv[2] as string)
process.send?.('ready')
process.once('message', () =>
  withStore({ conString: url, createTableIfMissing: true, max: 2 }, (store) =>
    store.set(sid, sessionOf()),
  ).then(
    () => process.send?.('stored'),
    (error) => process.send?.(`${error.code} ${error.message}`),
  ),
)
