// The rows of the table as they come, change and go, told by the database itself: a trigger notifies of each
// write, with the name of the connection that wrote. Promises that no sid leaves this file whole. Must not
// know how rows are shown.

/**
 * @typedef Row
 * @property {string} id the first characters of the sid
 * @property {string | null} user
 * @property {number} bytes of the session's text
 * @property {number} expires seconds since 1970
 * @property {string} by the package that wrote it last
 * @property {'created' | 'saved' | 'touched' | 'deleted'} verb what it did
 */

/** `row` is a row of the table, in SQL. */
const asJson = (row, verb, by) => `json_build_object(
  'id', left(${row}.sid, 8), 'user', ${row}.sess ->> 'user', 'bytes', octet_length(${row}.sess::text),
  'expires', extract(epoch from ${row}.expire::timestamptz), 'verb', ${verb}, 'by', ${by})`

/** Notifies the channel that is named as the schema. */
const trigger = (schema) => `
create function tell() returns trigger language plpgsql as $$
declare
  changed ${schema}.session;
  verb text := 'saved';
begin
  if tg_op = 'DELETE' then verb := 'deleted'; changed := old;
  elsif tg_op = 'INSERT' then verb := 'created'; changed := new;
  else
    changed := new;
    if old.sess::text = new.sess::text then verb := 'touched'; end if;
  end if;
  perform pg_notify('${schema}',
    ${asJson('changed', 'verb', `split_part(current_setting('application_name'), ' ', 1)`)}::text);
  return null;
end $$;
create trigger tell after insert or update or delete on session for each row execute procedure tell()`

/**
 * @param {import('./database.js').Database} database
 * @param {Map<string, Row>} rows is kept as they are, in the order in which they came
 * @param {{ changed(row: Row): void, reloaded(): void }} on
 */
export async function watch({ sql, schema }, rows, on) {
  await sql.unsafe(trigger(schema))

  // Also after the connection was lost, as what happened meanwhile was not told.
  const reload = async () => {
    const now = await sql.unsafe(`select ${asJson('session', `'saved'`, `'demo'`)} as row from session`)
    const before = new Map(rows)
    rows.clear()
    for (const { row } of now) rows.set(row.id, { ...row, ...pick(before.get(row.id)) })
    on.reloaded()
  }
  const heard = (text) => {
    const row = JSON.parse(text)
    if (row.verb === 'deleted') rows.delete(row.id)
    else rows.set(row.id, row)
    on.changed(row)
  }
  await sql.listen(schema, heard, () => void reload().catch(() => {}))
}

/** Who wrote a row before the connection was lost. */
const pick = (row) => row && { verb: row.verb, by: row.by }
