import type { AnyAct } from './act.js'
import { orderActs } from './order-acts.js'
import { rowActs } from './row-acts.js'
import { shopActs } from './shop-acts.js'

/** All that an operator can do over HTTP, and on the page. */
export const acts: readonly AnyAct[] = [...orderActs, ...rowActs, ...shopActs]

/** What the path of an act calls its subject; none has more than one. */
export function pathOf({ path }: AnyAct, id: string): string {
  return path.replace(':id', encodeURIComponent(id))
}
