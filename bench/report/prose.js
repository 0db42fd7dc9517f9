// The paragraphs of results.md.

import { CALLS_OF_A_PAGE, SECONDS_BETWEEN_PAGES } from '../load/users.js'
import { PG_SIMPLE } from '../subjects/roster.js'

export const HOW = `\
PostgreSQL has its default durability: a change is on disk before it is answered. Redis is measured without
durability, and with \`appendfsync always\`, which promises what PostgreSQL does. Each store has a process of
its own. They take turns, in an order that rotates, and warm up before each turn. Figures are medians of the
rounds, with the lowest and the highest in brackets. Every answer was checked. [results.csv](results.csv) has
every round, and [runs.csv](runs.csv) when and of what each part was measured.`

export const COST = `\
For 1,000 requests of users who open a page every ${SECONDS_BETWEEN_PAGES} seconds: a document and
${CALLS_OF_A_PAGE} API calls, each of which loads the session (600 bytes) and touches it. Pages arrive
at random, as many a second for each store. A version of a row that is replaced is a dead tuple until it is
vacuumed. The log is what a server writes to be durable.`

export const TARGETS = `\
Throughput as a multiple of that of each rival, and the target in brackets. Every touch is written, unless
the line says otherwise: users who come back within a minute send some 30 requests in it. A target is for ${PG_SIMPLE}, as pg has it by default. Where
another size is faster, the multiple of that one stands beside it.`

export const CHARTS = `\
Medians of the rounds. The thin lines reach from the lowest round to the highest.`

export const NETWORK = `\
A process between store and server delays what is sent. It shares the two cores with all others, and has more
to do for a store that sends more packets. In ms:`

export const RELAY = `\
Requests per second, and the multiple of ${PG_SIMPLE}:`

export const ARRIVALS = `\
get+touch that arrive at random, p50 / p99 in ms. A store falls behind when a tenth of what arrived is not
answered at the end of the time:`

export const POOLS = `\
get+touch per second of connect-pg-simple, 256 at once, by the size of its pool. A larger one than 80 would
leave hardly any of the 100 connections that PostgreSQL takes by default:`

export const HTTP = `\
Requests per second of Express 5 with express-session and a session of 600 bytes, by route, connections and
network. The store takes part with its defaults, and with every touch written, for which the targets are:`

export const PROCESSES = `\
get+touch per second of several processes on the same machine, 64 at once in each:`

export const ROWS = `\
256 at once, sids picked from all rows:`

export const BY_USER = `\
\`entriesByUser\` of a user with ten sessions, one call at a time, by [its index](../docs/users.md#the-index):`

export const LIMIT = `\
The store's own statements in batches of 128, sent by pgbench, while nobody else needs the machine:`

export const MEMORY = `\
Live heap in MB after a full garbage collection, while 256 at once get, touch, store and destroy sessions:`
