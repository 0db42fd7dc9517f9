// What the role may do with the table, in SQL. Must not know who asks.

/**
 * A condition: whether the role has the right, be it on each of the three columns. There is none to delete
 * columns.
 * @param oid of the table, in SQL
 */
export function may(oid: string, right: 'select' | 'insert' | 'update' | 'delete'): string {
  const onTable = `pg_catalog.has_table_privilege(${oid}, '${right}')`
  if (right === 'delete') return onTable
  return `(${onTable} or 3 = (
          select count(*) from pg_catalog.pg_attribute a
          where a.attrelid = ${oid} and a.attname in ('sid', 'sess', 'expire') and not a.attisdropped
            and pg_catalog.has_column_privilege(${oid}, a.attnum, '${right}')
        ))`
}
