import type pg from 'pg'
import { BoundedClient } from './bounded-client.js'

/** in_failed_sql_transaction: https://www.postgresql.org/docs/18/errcodes-appendix.html */
const TRANSACTION_IS_OVER = '25P02'

/**
 * Begins statements of one transaction of which none needs the answer of another, in one packet (docs/decisions/0060), and
 * waits for all of them; no two of them have the same name. PostgreSQL does them in this order, so that locks are taken in it,
 * and does none that follows one that failed: what is thrown is why that one did.
 * https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
export async function together<T extends readonly unknown[]>(
  db: Pick<pg.ClientBase, 'query'>,
  statements: { [each in keyof T]: () => Promise<T[each]> }
): Promise<T> {
  if (!(db instanceof BoundedClient && db.pipeline)) return await inTurn(statements)
  const failures: unknown[] = []
  const note = (error: unknown) => {
    failures.push(error)
  }
  const begun: Promise<unknown>[] = []
  // One that throws as it begins is one that failed, and the others are waited for.
  db.inOnePacket(statements.map(begin => () => begun.push((async () => await begin())().catch(note))))
  const answers = await Promise.all(begun)
  if (failures.length > 0) throw failures.find(error => !saysItIsOver(error)) ?? failures[0]
  return answers as unknown as T
}

async function inTurn<T extends readonly unknown[]>(
  statements: {
    [each in keyof T]: () => Promise<T[each]>
  }
): Promise<T> {
  const answers: unknown[] = []
  for (const begin of statements) answers.push(await begin())
  return answers as unknown as T
}

function saysItIsOver(error: unknown): boolean {
  return (error as { code?: string } | undefined)?.code === TRANSACTION_IS_OVER
}
