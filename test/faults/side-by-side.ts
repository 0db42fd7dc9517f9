// Works that wait more than they compute, a few at a time.

/** Begins them in their order. Each outcome is also there for who asks late. */
export function sideBySide<T>(atATime: number, works: (() => Promise<T>)[]): Promise<T>[] {
  let free = atATime
  const waiting: (() => void)[] = []
  const outcomes = works.map(async (work) => {
    if (free > 0) free--
    else await new Promise<void>((resume) => waiting.push(resume))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  })
  for (const outcome of outcomes) outcome.catch(() => {})
  return outcomes
}
