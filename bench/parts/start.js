// The start of a process: time to import, and to the first answer.

import { inside, start } from '../servers/process.js'
import { ours, rivals } from '../subjects/roster.js'
import { turns } from './turns.js'

/** @returns one row for each subject that can be installed */
export async function startUp({ at }, { plan, pools, log }) {
  const subjects = [ours(), ...rivals(at, pools.direct, 'all')].filter(
    ({ kind }) => kind !== 'postgres.js' && kind !== 'connect-pg-simple, pipelined',
  )
  const one = { rows: 1, bytes: 300 }
  for (const subject of subjects) await inside(subject, at, (tell) => tell('fill', one))
  const rows = await turns(subjects, plan.start.rounds, async (subject) => {
    const tell = await start('load/first-answer.js', { subject, at })
    const measured = await tell('measure')
    await tell('close')
    return measured
  })
  log('start')
  return rows
}
