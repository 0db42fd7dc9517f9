// Logs out while a slow request of the same session is at work.

import { codeLink } from '../code.js'
import { html } from '../html.js'
import { Visitor } from '../visitor.js'

export const logout = {
  id: 'logout',
  title: 'Log out during a slow request',
  button: 'Log Lou out',
  says: html`An upload ends after its user has logged out in another tab: its late save is an
<code>insert</code>, which brings the session back, or an <code>update</code>, which finds no row.`,
  links: [
    codeLink('this try', 'demo/try/logout.js', 'async run'),
    codeLink('this store', 'src/', 'A loaded session only updates its row'),
    codeLink('connect-pg-simple', 'connect-pg-simple/index.js', 'ON CONFLICT'),
  ],

  /** @param {import('../stage.js').Stage} stage */
  async run({ url, forget }) {
    await forget('Lou')
    return Promise.all(
      ['before', 'after'].map(async (kind) => {
        const lou = await new Visitor(url(kind)).logIn('Lou')
        const finishUpload = await lou.slowRequest()
        await lou.post('/logout')
        await finishUpload({ report: 'uploaded' })
        const isBack = (await lou.me()).user === 'Lou'
        return {
          kind,
          good: !isBack,
          says: isBack ? 'Lou comes back: the old cookie is logged in again.' : 'Lou stays out.',
        }
      }),
    )
  },
}
