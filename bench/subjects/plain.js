// A store as the older ports to postgres.js are written: one statement for each call, on the app's own
// instance. Written for the comparison only.

/** @param {typeof import('express-session')} session @param {import('postgres').Sql} sql */
export function plainStore(session, sql) {
  const seconds = (value) => Math.ceil(new Date(value).getTime() / 1000)
  const settle = (query, callback, result = (_rows) => undefined) => {
    query.then((rows) => callback?.(null, result(rows)), callback)
  }

  return new (class PlainStore extends session.Store {
    get(sid, callback) {
      const now = Math.ceil(Date.now() / 1000)
      settle(
        sql`select sess from session where sid = ${sid} and expire >= to_timestamp(${now})`,
        callback,
        ([row]) => row?.sess ?? null,
      )
    }

    set(sid, sess, callback) {
      const expire = seconds(sess.cookie.expires)
      settle(
        sql`
          insert into session (sid, sess, expire) values (${sid}, ${sql.json(sess)}, to_timestamp(${expire}))
          on conflict (sid) do update set sess = excluded.sess, expire = excluded.expire`,
        callback,
      )
    }

    touch(sid, sess, callback) {
      const expire = seconds(sess.cookie.expires)
      settle(sql`update session set expire = to_timestamp(${expire}) where sid = ${sid}`, callback)
    }

    destroy(sid, callback) {
      settle(sql`delete from session where sid = ${sid}`, callback)
    }
  })()
}
