// Open loop: requests arrive at random, whether those before them are answered or not, as those of many
// independent users do. A latency counts from the moment of arrival, also where this process came to it
// later. Knows nothing of stores.

import { clock, waker } from './wake.js'

let next = () => {}
/** One for all runs of a process: it takes a while until it is there, which is no latency of a store. */
let wakeAt

/**
 * @param {object} plan
 * @param {number} plan.rate arrivals a second
 * @param {number} plan.ms for so long
 * @param {number} plan.most stops when so many wait for an answer
 * @param {() => Promise<unknown>} work
 */
export async function arrivals({ rate, ms, most }, work) {
  wakeAt ??= await waker(() => next())
  const latencies = []
  let failure
  let arrived = 0
  let waiting = 0
  let endOfWaiting = () => {}
  const began = clock()
  const end = began + ms
  let due = began + pause(rate)

  const arrive = async (moment) => {
    arrived++
    waiting++
    try {
      await work()
      latencies.push(clock() - moment)
    } catch (error) {
      failure ??= error
    }
    waiting--
    if (waiting === 0) endOfWaiting()
  }
  await new Promise((resolve) => {
    next = () => {
      for (const now = clock(); due <= now && due < end; due += pause(rate)) void arrive(due)
      if (due >= end || waiting > most || failure) resolve(undefined)
      else wakeAt(due)
    }
    next()
  })
  const atEnd = { arrived, answered: latencies.length, waiting, seconds: (clock() - began) / 1000 }
  if (waiting > 0)
    await new Promise((resolve) => {
      endOfWaiting = () => resolve(undefined)
    })
  if (failure) throw failure
  return { latencies, ...atEnd }
}

/** Milliseconds to the next arrival: distributed exponentially, as nobody waits for anybody. */
const pause = (rate) => (-Math.log(1 - Math.random()) / rate) * 1000
