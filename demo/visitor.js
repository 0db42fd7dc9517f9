// A user with a browser of one cookie, who visits a service over HTTP. Knows of the service only its routes.

import { request } from 'node:http'

export class Visitor {
  #url
  #cookie = ''

  constructor(/** @type {string} where a service is mounted */ url) {
    this.#url = url
  }

  async logIn(user) {
    await this.post('/login', { user })
    return this
  }

  /** Keeps the cookie, whatever comes of it, as another tab that has not heard of a logout does. */
  async post(path, fields = {}) {
    const response = await fetch(this.#url + path, {
      method: 'POST',
      headers: { cookie: this.#cookie },
      body: new URLSearchParams(fields),
      redirect: 'manual',
    })
    await response.arrayBuffer()
    if (response.status >= 400) throw new Error(`${path} failed with ${response.status}`)
    const [cookie] = response.headers.getSetCookie()
    if (cookie) this.#cookie = cookie.split(';')[0]
  }

  /** @returns {Promise<import('express-session').SessionData>} what the session holds, for this cookie */
  async me() {
    const response = await fetch(`${this.#url}/me`, { headers: { cookie: this.#cookie } })
    return /** @type {any} */ (await response.json())
  }

  get cookie() {
    return this.#cookie
  }

  /**
   * Begins a slow request. Resolves when the service is at work on it, and so has loaded the session.
   * @returns {Promise<(fields: Record<string, string>) => Promise<void>>} ends it: it saves these
   */
  slowRequest() {
    return new Promise((resolve, reject) => {
      const upload = request(`${this.#url}/upload`, { method: 'POST', headers: { cookie: this.#cookie } })
      upload.on('error', reject)
      upload.on('response', (response) => {
        response.resume()
        resolve((fields) => {
          upload.end(new URLSearchParams(fields).toString())
          return new Promise((done, failed) => response.on('end', done).on('error', failed))
        })
      })
      upload.flushHeaders()
    })
  }
}
