// Waiting for what the users of a load are answered. Knows nothing of what they do.

/** What one user was answered. `began`: when it was asked, in ms since 1970. */
interface Answer {
  user: number
  began: number
  succeeded: boolean
}

export function watchers(users: number) {
  const watching = new Set<(answer: Answer) => void>()
  /** @param seen tells whether it has seen enough */
  const until = (seen: (answer: Answer) => boolean) =>
    new Promise<void>((resolve) => {
      const watch = (answer: Answer) => {
        if (!seen(answer)) return
        watching.delete(watch)
        resolve()
      }
      watching.add(watch)
    })
  return {
    tell(answer: Answer): void {
      for (const watch of watching) watch(answer)
    },
    async recovered(since: number): Promise<number> {
      await until(({ began, succeeded }) => succeeded && began >= since)
      return Date.now() - since
    },
    everybody(times: number, what: 'answered' | 'succeeded'): Promise<void> {
      const since = Date.now()
      const missing = Array(users).fill(times) as number[]
      return until(({ user, began, succeeded }) => {
        if (began >= since && (succeeded || what === 'answered')) missing[user]!--
        return missing.every((count) => count <= 0)
      })
    },
  }
}
