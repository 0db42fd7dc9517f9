// "Log out everywhere": ends all sessions of a user. The one place that knows how.

/**
 * @param {import('./database.js').Database} database
 * @returns {Promise<number>} how many there were
 */
export async function logOutEverywhere({ sql }, user) {
  return (await sql`delete from session where sess ->> 'user' = ${user}::text`).count
}
