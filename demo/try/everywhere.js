// Logs a user with three devices out everywhere.

import { codeLink } from '../code.js'
import { html } from '../html.js'
import { Visitor } from '../visitor.js'

const DEVICES = 3

export const everywhere = {
  id: 'everywhere',
  title: 'Log out everywhere',
  button: 'Log Kim out everywhere',
  says: html`Kim uses three devices and has lost one of them: connect-pg-simple can end only the session at
hand, this store all of them, by <code>destroyByUser</code>.`,
  links: [
    codeLink('this try', 'demo/try/everywhere.js', 'async run'),
    codeLink('this store', 'src/', 'destroyByUser('),
  ],

  /** @param {import('../stage.js').Stage} stage */
  async run({ url, forget }) {
    const outcomes = []
    // One after the other: what ends Kim's sessions does so at both services.
    for (const [kind, path] of [
      ['before', '/logout'],
      ['after', '/everywhere'],
    ]) {
      await forget('Kim')
      const devices = []
      for (let i = 0; i < DEVICES; i++) devices.push(await new Visitor(url(kind)).logIn('Kim'))
      await devices[0].post(path)
      const users = await Promise.all(devices.map((device) => device.me()))
      const left = users.filter(({ user }) => user === 'Kim').length
      outcomes.push({
        kind,
        good: left === 0,
        says:
          left === 0
            ? `All ${DEVICES} devices are logged out.`
            : `${DEVICES - left} device is logged out, ${left} are still logged in.`,
      })
    }
    return outcomes
  },
}
