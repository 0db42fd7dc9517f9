// Rows that the server makes itself: through a store a million of them would take minutes.

/**
 * Empties the table, and fills it with the sids `bench-0`, `bench-1` and so on, which expire in a day.
 * @param {import('postgres').Sql} sql
 * @param {number} size
 * @param data what the session of the number n holds beside its cookie, as arguments of json_build_object
 */
export async function fillBySql(sql, size, data) {
  await sql`truncate session`
  await sql`
    insert into session
    select 'bench-' || n,
      json_build_object(
        'cookie', json_build_object(
          'originalMaxAge', 86400000, 'expires', now() + interval '1 day', 'httpOnly', true, 'path', '/'),
        ${data}),
      now() + interval '1 day' + n % 10000 * interval '1 second'
    from generate_series(0, ${size - 1}::int) n`
  await sql`vacuum analyze session`
  await sql`checkpoint`
}
