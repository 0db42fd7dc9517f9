// Draws what the command line shows on a terminal, as SVG for README and docs: runs it on a server of its own,
// on a terminal, and takes what it printed. Needs `script` of util-linux, which gives a program
// a terminal.

import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { startPostgres } from '../server/postgres.js'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const folder = 'docs/screens'
mkdirSync(folder, { recursive: true })

const COLOURS = { 31: '#ff7b72', 32: '#7ee787', 33: '#e3b341', 36: '#79c0ff' }
// What stands between the two is the number of a style.
const STYLE = new RegExp(`${String.fromCharCode(27)}\\[(\\d+)m`)
const LINE = 18
const LETTER = 7.83

const server = await startPostgres({ own: true, flags: ['-c', 'autovacuum_naptime=1d'] })
const sql = postgres(server.url, { max: 1, onnotice() {} })
try {
  await run('init')
  await fill()
  draw('stats', await run('stats'))
  draw('prune', await run('prune', /^.* 5\d %.*$/m))
  await sql`vacuum analyze session`
  await makeSick()
  draw('doctor', await run('doctor'))
} finally {
  await sql.end()
  await server.stop()
}

/** Sessions as of a shop in the evening, and many that nobody has pruned. */
async function fill() {
  await sql`
    insert into session
    select md5(g::text), json_build_object(
        'cookie', json_build_object('originalMaxAge', 86400000, 'httpOnly', true, 'path', '/', 'sameSite', 'lax'),
        'passport', json_build_object('user', g % 9000),
        'cart', case when g % 3 = 0 then repeat('book ', (g % 97) * (g % 7)) end,
        'flash', '{}'::json
      ), now() + interval '24 hours' * (1 - power(g / 60000.0, 2)) - interval '10 minutes'
    from generate_series(1, 60000) g`
  await sql`
    insert into session
    select 'old' || g, '{"cookie":{}}', now() - g * interval '100 ms' from generate_series(1, 300000) g`
  await sql`vacuum analyze session`
}

async function makeSick() {
  await sql`drop index "IDX_session_expire"`
  await sql`alter table session alter column sess drop not null`
  await sql`create role reports`
  await sql`grant select on session to reports`
  await sql`alter role reports set timezone = 'Asia/Kolkata'`
  await sql`alter database postgres set statement_timeout = '5s'`
}

/**
 * @param {string} command
 * @param {RegExp} [moment] the line to stop at; by default the end
 * @returns {Promise<{ command: string, lines: string[] }>}
 */
function run(command, moment) {
  const line = `stty cols 80 rows 50; '${process.execPath}' dist/cli/bin.js ${command}`
  const env = { ...process.env, DATABASE_URL: server.url, TERM: 'xterm', NO_COLOR: '' }
  const child = spawn('script', ['-qec', line, '/dev/null'], { env })
  let printed = ''
  let taken
  child.stdout.setEncoding('utf8').on('data', (text) => {
    printed += text
    // What was there before the line is cleared for the next.
    taken ??= moment?.exec(printed.replaceAll('\r\u001b[2K', '\n'))?.[0]
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', () => {
      const end = printed
        .split(/\r?\n/)
        .map((text) => text.split('\r\u001b[2K').at(-1))
        .join('\n')
        .trimEnd()
      resolve({ command, lines: [...(taken === undefined ? [] : [taken]), ...end.split('\n')] })
    })
  })
}

function draw(name, { command, lines }) {
  const all = [`\u001b[2m$ npx connect-postgres-simple ${command}\u001b[0m`, ...lines]
  const letters = Math.max(80, ...all.map((text) => text.replaceAll(new RegExp(STYLE, 'g'), '').length))
  const width = Math.ceil(letters * LETTER + 32)
  const height = all.length * LINE + 28
  const texts = all.map((text, i) => `<text x="16" y="${28 + i * LINE}">${spans(text)}</text>`)
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<style>text { font: 13px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #e6edf3; white-space: pre }</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${texts.join('\n')}
</svg>
`
  writeFileSync(`${folder}/${name}.svg`, svg)
  console.log(`${folder}/${name}.svg`)
}

/** A line with the colours of a terminal. */
function spans(text) {
  let style = ''
  return text
    .split(STYLE)
    .map((part, i) => {
      if (i % 2 === 1) {
        style =
          { 0: '', 1: ' font-weight="bold"', 2: ' fill-opacity="0.6"' }[part] ?? ` fill="${COLOURS[part]}"`
        return ''
      }
      return part && `<tspan${style}>${escaped(part)}</tspan>`
    })
    .join('')
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
