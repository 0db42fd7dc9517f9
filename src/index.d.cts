// What `require` returns: the function itself, without a `default`. Its types are those of the ES module.
import type * as all from './index.js' with { 'resolution-mode': 'import' }

declare const connectPostgresSimple: typeof all.default

declare namespace connectPostgresSimple {
  export type Callback<T = void> = all.Callback<T>
  export type ConObject = all.ConObject
  export type DestroyByUserOptions = all.DestroyByUserOptions
  export type DestroyEvent = all.DestroyEvent
  export type Entry = all.Entry
  export type ExpireEvent = all.ExpireEvent
  export type Health = all.Health
  export type Options = all.Options
  export type PostgresStore = all.PostgresStore
  export type PostgresStoreClass = all.PostgresStoreClass
  export type Serializer = all.Serializer
  export type Stats = all.Stats
  export type UserId = all.UserId
}

export = connectPostgresSimple
