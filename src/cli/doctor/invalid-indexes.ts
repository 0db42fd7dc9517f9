// Checks of indexes that are invalid, as an unfinished build, rebuild or drop leaves them. Promises to offer no
// repair of an index that somebody may be building: a drop ends the build by a deadlock, or waits for it and
// drops what was built (seen on 18.4). Must not know how indexes are made.

import type { Columns } from '../../connection/query.ts'
import { isBusy } from './building.ts'
import {
  type Check,
  canRebuild,
  concurrently,
  nothing,
  type Question,
  question,
  type Subject,
} from './check.ts'
import { indexesOn, isSafe, onExpire, uniqueSid } from './indexes.ts'

/** Whether PostgreSQL refuses to drop an index, as a constraint or the partitioned table's index needs it. */
const isRequired = (index: string) => `(
    exists (select from pg_catalog.pg_constraint k where k.conindid = ${index})
    or exists (select from pg_catalog.pg_inherits h where h.inhrelid = ${index})
  )`

/** An invalid index that fulfils the condition, if there is no valid one. */
const onlyInvalid = (condition: string, column: string): Question =>
  question(
    ['oid'],
    ($) => `
    select name, relname::text, ${isRequired('i.indexrelid')}::text as is_required, ${isBusy($.oid)}::text
    from (${indexesOn(column, $.oid)}) as i
    where ${condition} and not exists (
      select from (${indexesOn(column, $.oid)}) as i where ${condition} and is_valid
    )
    -- One is enough: to build each of them anew would make two of a kind.
    order by is_required desc, relname
    limit 1`,
  )

const indexOf = ([, name]: Columns): string => name as string

const foundOf = ([name, , , isBusy]: Columns): string =>
  isBusy === 'true'
    ? `${name} is invalid, and somebody works on the table, as a build does`
    : `${name} is invalid: its building did not end`

const drop = (name: unknown, subject: Subject): string => `drop index${concurrently(subject)} ${name}`

// Of a partitioned table it would build the indexes of the partitions, and leave this one invalid.
const rebuilt = (name: unknown, subject: Subject): readonly string[] =>
  canRebuild(subject) ? [`reindex index concurrently ${name}`] : nothing()

const replacedBy =
  (create: (subject: Subject) => string): Check['fix'] =>
  ([name, , isRequired, isBusy], subject) => {
    if (isBusy === 'true') return nothing()
    return isRequired === 'true' ? rebuilt(name, subject) : [drop(name, subject), create(subject)]
  }

/** Of indexes without which the stores fail or are slow. */
export const neededIndexChecks: readonly Check[] = [
  {
    code: 'sid-unique-invalid',
    severity: 'error',
    question: onlyInvalid('is_key', 'sid'),
    expected: 'a valid primary key or unique index on "sid"',
    found: foundOf,
    meaning:
      'Neither store can save a new session: `on conflict` fails with 42P10. Rows may share a sid. They ' +
      'have to be deleted first, or the index fails again.',
    fix: replacedBy(uniqueSid),
    isSafe,
    index: indexOf,
  },
  {
    code: 'expire-index-invalid',
    severity: 'warning',
    question: onlyInvalid('is_whole', 'expire'),
    expected: 'a valid index on "expire"',
    found: foundOf,
    meaning:
      'Every prune of either store reads the whole table, and every write keeps the index up for nothing.',
    fix: replacedBy(onExpire),
    isSafe,
    index: indexOf,
  },
]

/** Of all the others. They are asked for last, as an index belongs to the finding that comes first. */
export const otherIndexChecks: readonly Check[] = [
  {
    code: 'index-invalid',
    // On a partitioned table an index has no entries of its own.
    severity: (_, subject) => (concurrently(subject) ? 'warning' : 'note'),
    question: question(
      ['oid'],
      ($) => `
      select pg_catalog.format('%I.%I', n.nspname, c.relname), c.relname::text,
        ${isRequired('i.indexrelid')}::text
      from pg_catalog.pg_index i
      join pg_catalog.pg_class c on c.oid = i.indexrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where i.indrelid = ${$.oid}::oid and not i.indisvalid and not ${isBusy($.oid)}
      order by c.relname`,
    ),
    expected: 'no invalid index',
    found: ([name]) => `${name} is invalid`,
    meaning: (_, subject) =>
      concurrently(subject)
        ? 'A build, rebuild or drop that did not end has left it. No query uses it, and every write of ' +
          'either store keeps it up for nothing.'
        : 'It is valid as soon as each partition has such an index that is valid and attached to it. Until ' +
          'then queries use the indexes of those partitions that have one.',
    fix: ([name, , isRequired], subject) => {
      // A drop would take the indexes of the partitions with it, which are in use.
      if (!concurrently(subject)) return nothing()
      return isRequired === 'true' ? rebuilt(name, subject) : [drop(name, subject)]
    },
    isSafe,
    index: indexOf,
  },
]
