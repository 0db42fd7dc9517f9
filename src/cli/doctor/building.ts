// Whether somebody builds an index of a table, by the locks on it and by what the catalogue shows. Promises to
// wait for no lock, and to take no vacuum for a build, unless it has workers. Must not know which indexes there
// should be.

/** Whether somebody has or awaits one of the locks on a table that builds take. */
const isLocked = (oid: string, condition = 'true') => `exists (
    select from pg_catalog.pg_locks l join pg_catalog.pg_database d on d.oid = l.database
    where d.datname = pg_catalog.current_database() and l.relation = ${oid}::oid
      -- Whoever awaits a row has a lock on the row, and whoever adds a page one on the end of the table.
      and l.locktype = 'relation' and l.mode in (
        'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'
      ) and ${condition}
      and not exists (select from pg_catalog.pg_stat_progress_vacuum v where v.pid = l.pid)
  )`

/**
 * Whether somebody may be building an index that is there and invalid. An `analyze` takes the same lock, and
 * before PostgreSQL 13 nothing tells the two apart.
 */
export const isBusy = (oid: string): string => isLocked(oid)

/**
 * Whether somebody may be building an index, or awaits to. One that is built beside the traffic is shown as an
 * invalid one, so that other holders of its lock are not taken for a build. To begin a second build would end it by a deadlock. Others are not
 * shown before their end: a second one would wait for it, and build the same again.
 */
export const isBuilding = (oid: string): string => `(
    ${isLocked(oid, `not (l.granted and l.mode = 'ShareUpdateExclusiveLock')`)}
    or ${isLocked(oid)} and exists (
      select from pg_catalog.pg_index b where b.indrelid = ${oid}::oid and not b.indisvalid
    )
  )`

/** What a finding says of it. */
export const OR_BUILT = ', and somebody works on the table, or waits to, as a build does'
