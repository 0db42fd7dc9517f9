// Creates the index on user ids when it is told so, and tells whether that succeeded.

import { Store } from '../support/store.ts'

const { url } = JSON.parse(process.argv[2] as string)
const store = new Store({ conString: url, pruneSessionInterval: false })

process.on('message', async () => {
  await store.createUserIndex().then(
    () => process.send?.('created'),
    ({ code, message }) => process.send?.(`${code}: ${message}`),
  )
})
process.once('disconnect', () => store.close())
process.send?.('ready')
