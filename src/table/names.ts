// Quotes the names of the table and its index for SQL. Promises that any name is quoted correctly, whatever
// characters it contains. Must not know statements.

/** The names of a table for SQL, quoted. */
export interface Names {
  /** With the schema, if one was given. */
  readonly table: string
  /** The schema, to stand before the name of an index; empty if none was given. */
  readonly schema: string
  /** The table's name as it is, neither quoted nor with its schema. */
  readonly name: string
  /** Of the index on `expire`. It is named after the table, so that a schema can have several such tables. */
  readonly index: string
}

/**
 * The schema and the table as they are in the catalogue; no schema if the `search_path` decides. A dot is
 * part of a name. `a"."b` without a schema is connect-pg-simple's old way to name one.
 */
export function partsOf(
  tableName: string,
  schemaName: string | undefined,
): readonly [schema: string | undefined, table: string] {
  const legacy = schemaName === undefined ? /^([^"]+)"\."([^"]+)$/.exec(tableName) : null
  return legacy ? [legacy[1], legacy[2]!] : [schemaName, tableName]
}

export function names(tableName: string, schemaName: string | undefined): Names {
  const [schema, table] = partsOf(tableName, schemaName)
  const prefix = schema === undefined ? '' : `${quoted(schema)}.`
  return {
    table: prefix + quoted(table),
    schema: prefix,
    name: table,
    index: quoted(`IDX_${table}_expire`),
  }
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/**
 * A name as a string constant, for where SQL takes no parameter. Correct for both values of
 * standard_conforming_strings.
 */
export function constant(text: string): string {
  const body = text.replaceAll("'", "''")
  return body.includes('\\') ? `E'${body.replaceAll('\\', '\\\\')}'` : `'${body}'`
}
