// What the page does in a browser: shows what the server tells it, counts down, and presses a try's button
// without leaving the page. Everything that is shown is HTML of the server.

const main = /** @type {HTMLElement} */ (document.querySelector('main'))
const rows = /** @type {HTMLElement} */ (document.getElementById('rows'))
const isStill = matchMedia('(prefers-reduced-motion: reduce)')

const events = new EventSource('/events')
const on = (name, show) => events.addEventListener(name, ({ data }) => show(JSON.parse(data)))

on('html', ({ id, html }) => {
  const element = document.getElementById(id)
  if (element) element.innerHTML = html
})

on('rows', (html) => {
  rows.innerHTML = html
  decorate()
})

on('row', ({ id, verb, html }) => {
  const before = document.getElementById(`row-${id}`)
  if (before) before.outerHTML = html
  else if (verb !== 'deleted') rows.insertAdjacentHTML('afterbegin', html)
  const row = document.getElementById(`row-${id}`)
  row?.classList.add('changed')
  // It goes when it has been seen to go.
  if (verb === 'deleted')
    isStill.matches ? row?.remove() : row?.addEventListener('animationend', () => row.remove())
  decorate()
  // Another window has done something to the session of this one.
  if (id === main.dataset.own && (verb === 'saved' || verb === 'deleted')) void refreshServices()
})

function decorate() {
  document.getElementById(`row-${main.dataset.own}`)?.classList.add('own')
  countDown()
}

function countDown() {
  for (const time of document.querySelectorAll('time')) {
    const seconds = Math.floor(Number(time.dataset.expires) - Date.now() / 1000)
    const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
    time.textContent = seconds > 0 ? text : 'expired'
  }
}
setInterval(countDown, 1000)
decorate()

/** Shows who is logged in, as both services see it now. */
async function refreshServices() {
  const page = new DOMParser().parseFromString(await (await fetch('/')).text(), 'text/html')
  main.dataset.own = page.querySelector('main')?.dataset.own
  const focused = document.activeElement?.id
  for (const body of document.querySelectorAll('.panel')) {
    const now = page.getElementById(body.id)?.querySelector('.body')
    if (now) body.querySelector('.body')?.replaceWith(now)
  }
  if (focused) document.getElementById(focused)?.focus()
  decorate()
}
addEventListener('pageshow', ({ persisted }) => persisted && void refreshServices())

document.addEventListener('submit', async (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target)
  const button = form.querySelector('button')
  if (!form.matches('.try form') || !button) return
  event.preventDefault()
  // Not `disabled`, which would take the focus away.
  if (button.getAttribute('aria-disabled') === 'true') return
  button.setAttribute('aria-disabled', 'true')
  await fetch(form.action, { method: 'POST' }).catch(() => {})
  button.removeAttribute('aria-disabled')
})
