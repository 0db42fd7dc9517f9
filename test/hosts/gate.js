// A slow request: it says that it has begun, and waits until the runner lets it go on. Knows no host.

let last = 0

/** @param {unknown} slow whether this request is to be slow */
export async function slow(slow) {
  if (!slow) return
  const id = ++last
  await new Promise((resolve) => {
    process.on('message', function listen(message) {
      if (message.goOn !== id) return
      process.off('message', listen)
      resolve()
    })
    process.send({ slow: id })
  })
}
