import type pg from 'pg'
import { BoundedClient } from './bounded-client.js'

/** in_failed_sql_transaction: https://www.postgresql.org/docs/18/errcodes-appendix.html */
const TRANSACTION_IS_OVER = '25P02'

/**
 * Begins statements of one transaction of which none needs the answer of another, in one packet (docs/decisions/0060), and waits
 * for all of them. PostgreSQL does them in this order, so that locks are taken in it, and does none that follows one that failed:
 * what is thrown is why that one did. https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
export async function together<T extends readonly unknown[]>(
  db: Pick<pg.ClientBase, 'query'>,
  statements: { [each in keyof T]: () => Promise<T[each]> }
): Promise<T> {
  const begun: Promise<unknown>[] = []
  if (db instanceof BoundedClient && db.pipeline) {
    // One that throws as it begins is one that failed, and the others are waited for.
    db.inOnePacket(statements.map(begin => () => begun.push((async () => await begin())())))
  } else {
    for (const begin of statements) {
      const answer = begin()
      begun.push(answer)
      await answer
    }
  }
  const ends = await Promise.allSettled(begun)
  const failures = ends.flatMap(end => (end.status === 'rejected' ? [end.reason] : []))
  if (failures.length > 0) throw failures.find(({ code }) => code !== TRANSACTION_IS_OVER) ?? failures[0]
  return ends.map(end => (end as PromiseFulfilledResult<unknown>).value) as unknown as T
}
