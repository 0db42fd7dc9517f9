// Worker processes to talk to. Knows nothing of stores.

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * @param {string} file in the folder of the benchmark
 * @returns a function that tells the worker a command and resolves with its answer
 */
export async function start(file, task, execArgv = []) {
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url))
  const child = fork(path, [JSON.stringify(task)], { execArgv })
  const answer = () =>
    new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`${file} ended with ${code}: ${JSON.stringify(task)}`)))
      child.once('message', (/** @type {any} */ { error, result }) => {
        child.removeAllListeners('exit')
        if (error) reject(new Error(error))
        else resolve(result)
      })
    })
  await answer()
  return (command, options) => {
    const answered = answer()
    child.send({ command, options })
    return answered
  }
}

/** In a worker of its own for as long as `use` runs. */
export async function inside(subject, at, use, execArgv = []) {
  const tell = await start('load/worker.js', { subject, at }, execArgv)
  try {
    return await use(tell)
  } finally {
    await tell('close')
  }
}
