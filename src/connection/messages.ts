// Splits what the server sends into messages and checks each. Promises that a message which would make the
// driver hang or throw is found before the driver gets it. Must not know where the bytes come from, nor what
// the statements are.

// The types of all messages that the server can send to the store. Some others make the driver (3.4.9) throw
// an uncaught exception.
const EXPECTED = new Set(Buffer.from('123ACDEIKNRSTZntv'))
const AUTHENTICATION = 'R'.charCodeAt(0)
const ROW_DESCRIPTION = 'T'.charCodeAt(0)
/** Length in bytes of the largest message that is buffered whole for checking. */
const MAX_BUFFERED = 100_000
const EMPTY = Buffer.alloc(0)

/**
 * Splits the bytes from the server into messages, and checks each: one byte of type, four of length, a body.
 */
export class Messages {
  /** The start of a message that cannot be checked before its rest has come. */
  #partial: Buffer = EMPTY
  /** How many of the next bytes belong to a message that needs no further check. */
  #toSkip = 0

  areSound(chunk: Buffer): boolean {
    const data = this.#partial.length > 0 ? Buffer.concat([this.#partial, chunk]) : chunk
    let at = this.#toSkip
    while (at + 5 <= data.length) {
      const type = data[at] as number
      const end = at + 1 + data.readUInt32BE(at + 1)
      if (!EXPECTED.has(type) || end < at + 5) return false
      if (type === ROW_DESCRIPTION || type === AUTHENTICATION) {
        if (end - at > MAX_BUFFERED) return false
        if (end > data.length) break
        const isBodySound = type === ROW_DESCRIPTION ? isRowDescription : isAuthentication
        if (!isBodySound(data.subarray(at + 5, end))) return false
      }
      at = end
    }
    this.#partial = at < data.length ? data.subarray(at) : EMPTY
    this.#toSkip = Math.max(0, at - data.length)
    return true
  }
}

// Success, password, MD5, and the three steps of SCRAM.
const AUTHENTICATIONS = [0, 3, 5, 10, 11, 12]

/**
 * Whether the driver knows this request. For SCRAM's second step also whether its values have the right form.
 */
function isAuthentication(body: Buffer): boolean {
  const step = body.length < 4 ? -1 : body.readUInt32BE(0)
  if (step === 11) return /^r=.+,s=.+,i=[1-9]\d{0,6}$/.test(body.toString('latin1', 4))
  return AUTHENTICATIONS.includes(step)
}

/** Whether it has as many columns as it says: for each a name, a zero byte, and 18 bytes about it. */
function isRowDescription(body: Buffer): boolean {
  let at = 2
  for (let left = body.length < 2 ? -1 : body.readUInt16BE(0); left > 0; left--) {
    const end = body.indexOf(0, at)
    if (end === -1) return false
    at = end + 19
  }
  return at === body.length
}
