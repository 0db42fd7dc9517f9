// Makes the relative links and images of a Markdown text absolute, for where its files are not beside it.
// Pure: must not know where the text comes from or goes.

/** How each host writes the address of a file, and of its bytes, at a tag. */
const HOSTS = {
  'github.com': { file: 'blob', bytes: 'raw' },
  'gitlab.com': { file: '-/blob', bytes: '-/raw' },
  'codeberg.org': { file: 'src/tag', bytes: 'raw/tag' },
}

/**
 * @param {string} repository the URL in package.json
 * @param {string} tag
 * @returns {{ file: string, bytes: string } | undefined} what comes before a path, if the host is known
 */
export function basesOf(repository, tag) {
  const [, host, path] = /^(?:git\+)?https:\/\/([^/]+)\/(.+?)(?:\.git)?\/?$/.exec(repository) ?? []
  const forms = HOSTS[host]
  const base = (form) => `https://${host}/${path}/${form}/${tag}/`
  return forms && { file: base(forms.file), bytes: base(forms.bytes) }
}

// Code, which stays as it is; a link or an image; a definition of one; an attribute of HTML, where srcset
// has one image only.
const PARTS = new RegExp(
  [
    /(?<code>^(?<fence>```+|~~~+).*?^\k<fence>|(?<tick>`+)[^`].*?\k<tick>(?!`))/,
    /(?<before>\]\(<?|^\[[^\]\n]+\]:\s*<?|\b(?:srcset|src|href)=")(?<target>[^\s)>"]+)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gms',
)

/**
 * @param {string} text
 * @param {{ file: string, bytes: string }} bases what to put before the target of a link, and of an image
 * @returns {{ text: string, targets: string[] }} with the paths that were relative, without their anchors
 */
export function withAbsoluteLinks(text, bases) {
  const targets = []
  const absolute = text.replaceAll(PARTS, (all, ...rest) => {
    const { before, target } = rest.at(-1)
    const isRelative = target && !/^([a-z][a-z\d+.-]*:|\/\/|#)/i.test(target)
    if (!isRelative) return all
    const path = target.replace(/^\.?\//, '')
    targets.push(path.replace(/#.*/, ''))
    return before + (isImage(text, rest.at(-3), before) ? bases.bytes : bases.file) + path
  })
  return { text: absolute, targets }
}

/** Whether the link whose `](` stands at `at` began with `![`, or the attribute is one of an image. */
function isImage(text, at, before) {
  if (before.startsWith('src')) return true
  if (!before.startsWith('](')) return false
  for (let i = at - 1, open = 1; i >= 0; i--) {
    if (text[i] === ']') open++
    else if (text[i] === '[' && --open === 0) return text[i - 1] === '!'
  }
  return false
}
