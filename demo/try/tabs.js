// Saves a session in two tabs that had both loaded it before.

import { codeLink } from '../code.js'
import { html } from '../html.js'
import { Visitor } from '../visitor.js'

export const tabs = {
  id: 'tabs',
  title: 'Two tabs save at once',
  button: 'Save in two tabs',
  says: html`Two tabs that had loaded the same session save different keys: by default the last save wins in
either store, and with <code>onConflict: 'merge'</code> this store keeps both.`,
  links: [
    codeLink('this try', 'demo/try/tabs.js', 'async run'),
    codeLink('this store', 'src/', 'export function merge'),
    codeLink('connect-pg-simple', 'connect-pg-simple/index.js', 'ON CONFLICT'),
  ],

  /** @param {import('../stage.js').Stage} stage */
  async run({ url, forget }) {
    await forget('Tess')
    return Promise.all(
      ['before', 'after', 'merging'].map(async (kind) => {
        const tess = await new Visitor(url(kind)).logIn('Tess')
        const finishOne = await tess.slowRequest()
        const finishOther = await tess.slowRequest()
        await finishOne({ cart: 'a book' })
        await finishOther({ theme: 'dark' })
        const { cart, theme } = await tess.me()
        const good = cart !== undefined && theme !== undefined
        return {
          kind,
          good,
          says: good
            ? `Both are kept: ${cart} in the cart, theme ${theme}.`
            : 'The last save wins: the cart is empty.',
        }
      }),
    )
  },
}
