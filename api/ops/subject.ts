import type { Request } from 'express'
import { Problem } from '../../shared/errors.js'

/** What a path names by `:id`; empty where it names nothing. Else a Problem: nothing of ours is called otherwise. */
export function subjectOf(request: Request): string {
  const { id } = request.params
  if (id === undefined) return ''
  if (typeof id !== 'string' || !/^[\w.:-]{1,255}$/.test(id))
    throw new Problem('not_found', { detail: 'Nothing is called so.' })
  return id
}
