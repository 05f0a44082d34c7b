import type pg from 'pg'

type Queryable = Pick<pg.PoolClient, 'query'>

const waiting = new WeakMap<Queryable, (() => void)[]>()

/**
 * Does `work` once the transaction of `db` is committed, and never when it is rolled back or tried again; at once for a
 * statement that commits by itself. For what is told outside of the database: it must not throw, and nothing may depend on it.
 */
export function onCommit(db: Queryable, work: () => void): void {
  const works = waiting.get(db)
  if (works === undefined) work()
  else works.push(work)
}

/** A transaction begins on `client`; what is returned ends it. */
export function gatherUntilCommit(client: Queryable): (committed: boolean) => void {
  const works: (() => void)[] = []
  waiting.set(client, works)
  return committed => {
    waiting.delete(client)
    if (committed) for (const work of works) work()
  }
}
