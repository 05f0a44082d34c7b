import type { Request, Response } from 'express'
import { z } from 'zod'
import { isStorable } from '../shared/database/storable.js'
import { publicPath } from '../shared/runtime/base-path.js'
import { once } from './query.js'

export const MAX_PAGE = 100

/** Where a page ended: what its list is ordered by, of the last row. */
export type Position = [string, string]

const position = z.tuple([z.string(), z.string()])

/**
 * The parameters of a list that comes by pages. A cursor says after what a page begins, not which row: what is added or
 * taken away meanwhile moves nothing, and no row comes twice.
 */
export function pageParameters(options: { limit: number; isPosition?: (position: Position) => boolean }) {
  const { limit, isPosition = () => true } = options
  return {
    limit: once()
      .refine(value => /^([1-9]\d?|100)$/.test(value), `Limit must be a whole number from 1 to ${MAX_PAGE}`)
      .transform(Number)
      .default(limit),
    cursor: once()
      .transform((value, context) => {
        // A form that always sends its field means the first page.
        if (value === '') return undefined
        const at = readCursor(value)
        if (at !== undefined && isPosition(at)) return at
        context.addIssue({ code: 'custom', message: 'Not a cursor of this list; leave it out to begin anew' })
        return z.NEVER
      })
      .optional()
  }
}

/** Opaque to whoever is given it. */
function cursorOf(position: Position): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

function readCursor(cursor: string): Position | undefined {
  try {
    const read = position.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
    const isSound = read.every(isStorable) && cursorOf(read) === cursor
    return isSound ? read : undefined
  } catch {
    return undefined
  }
}

export interface Page<Row> {
  rows: Row[]
  /** The cursor of the next page; null on the last one. */
  next: string | null
}

/** A page out of one row more than it holds, by which it is known whether another one follows. */
export function pageOf<Row>(found: Row[], limit: number, positionOf: (row: Row) => Position): Page<Row> {
  const rows = found.slice(0, limit)
  const last = rows.at(-1)
  return { rows, next: last === undefined || found.length <= limit ? null : cursorOf(positionOf(last)) }
}

/** Says where the next page is, with the filters of this one: RFC 8288. */
export function linkNext(basePath: string, request: Request, response: Response, next: string | null): void {
  if (next === null) return
  const [, query = ''] = request.originalUrl.split('?')
  const parameters = new URLSearchParams(query)
  parameters.set('cursor', next)
  response.setHeader('Link', `<${publicPath(basePath, request.path)}?${parameters}>; rel="next"`)
}
