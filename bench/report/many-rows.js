// What was measured on tables with many rows: which belong together, and what a table is called.

import { find } from './figures.js'

/** What another store did on the same table. */
export const sameTable = (measured, { rows, partitions, operation }, store) =>
  find(measured, { rows, partitions, operation, store })

/** @returns how many rows, and how they are kept */
export const rowsIn = ({ rows, partitions }) =>
  `${rows.toLocaleString('en')} rows${partitions > 0 ? `, in ${partitions} partitions by hash` : ''}`
