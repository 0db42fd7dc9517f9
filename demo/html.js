// HTML as a tagged template. Promises that every value is escaped, but for what this template has made
// itself.

class Markup {
  constructor(text) {
    this.text = text
  }
  toString() {
    return this.text
  }
  toJSON() {
    return this.text
  }
}

const escaped = (value) => String(value).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)

/** Arrays are joined. `undefined`, `null` and `false` become nothing. */
const markup = (value) => {
  if (value === undefined || value === null || value === false) return ''
  if (Array.isArray(value)) return value.map(markup).join('')
  return value instanceof Markup ? value.text : escaped(value)
}

/** @returns {Markup} */
export function html(strings, ...values) {
  return new Markup(strings.map((part, i) => part + (i < values.length ? markup(values[i]) : '')).join(''))
}

/** Takes text as it is: it must be HTML that this template has made. */
export const trusted = (text) => new Markup(text)
