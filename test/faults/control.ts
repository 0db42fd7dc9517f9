// A client that shares nothing with the store: what makes it wait is not the store's doing. Knows nothing of
// the store.

import postgres from 'postgres'

export interface Control {
  /** How long the slowest write took, in ms, the one under way included, since the last time it was asked. */
  slowestMs(): number
  end(): Promise<void>
}

/** Writes a row over and over, through a connection of its own. */
export function control(url: string): Control {
  const sql = postgres(url, { max: 1, onnotice() {}, backoff: () => 0.1 })
  let slowest = 0
  let began = Date.now()
  let isOver = false
  const work = (async () => {
    await sql`create table if not exists control (n bigint)`.catch(() => {})
    while (!isOver) {
      await sql`insert into control values (${began})`.catch(() => {})
      slowest = Math.max(slowest, Date.now() - began)
      await new Promise((resume) => setTimeout(resume, 5))
      began = Date.now()
    }
  })()
  return {
    slowestMs() {
      const worst = isOver ? slowest : Math.max(slowest, Date.now() - began)
      slowest = 0
      return worst
    },
    async end() {
      isOver = true
      await work
      await sql.end({ timeout: 1 })
    },
  }
}
