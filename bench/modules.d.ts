// What only the benchmark depends on, installed in a folder of its own: not there when types are checked.

declare module 'autocannon'
declare module 'connect-redis'
declare module 'connect-session-knex'
declare module 'knex'
declare module 'd3-dsv'
declare module 'redis'
declare module 'redis5'
declare module 'vega'
declare module 'vega-lite'
