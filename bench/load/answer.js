// The worker's end of process.js: runs a command for each message and answers once. `close` is the last.

export function answer(commands) {
  process.on('message', async ({ command, options }) => {
    let message
    try {
      message = { result: (await commands[command](options)) ?? null }
    } catch (error) {
      message = { error: String(error.stack ?? error) }
    }
    process.send(message, () => command === 'close' && process.disconnect())
  })
  process.send({ result: 'ready' })
}
