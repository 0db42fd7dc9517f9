// Server-sent events to every window that shows the page. Promises that a window that comes late, or comes
// back, gets the latest of everything. Must not know what is shown.

export class Live {
  #windows = new Set()
  #latest = new Map()
  #greeting

  /** @param {() => [event: string, data: unknown]} greeting is the first event of every window */
  constructor(greeting) {
    this.#greeting = greeting
  }

  /** Replaces what is in the element of that id, in every window and in pages to come. */
  show(id, html) {
    if (String(this.#latest.get(id)) === String(html)) return
    this.#latest.set(id, html)
    this.send('html', { id, html })
  }

  /** @returns what was shown last in the element of that id */
  latest(id) {
    return this.#latest.get(id)
  }

  send(event, data) {
    for (const window of this.#windows) window.write(eventText(event, data))
  }

  /** A route of Express. */
  connect = (_req, /** @type {import('express').Response} */ res) => {
    res.set({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    res.write(eventText(...this.#greeting()))
    for (const [id, html] of this.#latest) res.write(eventText('html', { id, html }))
    this.#windows.add(res)
    res.on('close', () => this.#windows.delete(res))
  }
}

const eventText = (event, data) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
