import { invalidRequest, noSuch } from './errors.js'
import type { Params } from './params.js'

export interface ListPage<T> {
  object: 'list'
  url: string
  has_more: boolean
  data: T[]
}

/** A page of a list, newest first: https://docs.stripe.com/api/pagination */
export function listPage<T extends { id: string; created?: number }>(
  oldestFirst: Iterable<T>,
  params: Params,
  url: string,
  what: string,
  matches: (object: T) => boolean = () => true
): ListPage<T> {
  const limit = params.integer('limit', { min: 1, max: 100 }) ?? 10
  const after = params.string('starting_after')
  const before = params.string('ending_before')
  const created = params.range('created')
  params.finish()
  if (after !== undefined && before !== undefined) {
    throw invalidRequest('You cannot parameterize by both starting_after and ending_before.', {
      param: 'starting_after'
    })
  }
  const all = [...oldestFirst].reverse()
  const matching = all.filter(object => matches(object) && (created === undefined || created(object.created ?? 0)))
  const position = (id: string, param: string): number => {
    const index = matching.findIndex(object => object.id === id)
    if (index === -1) throw noSuch(what, id, param)
    return index
  }
  if (before !== undefined) {
    const end = position(before, 'ending_before')
    const start = Math.max(0, end - limit)
    return { object: 'list', url, has_more: start > 0, data: matching.slice(start, end) }
  }
  const start = after === undefined ? 0 : position(after, 'starting_after') + 1
  return { object: 'list', url, has_more: matching.length > start + limit, data: matching.slice(start, start + limit) }
}
