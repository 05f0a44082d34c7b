import type { z } from 'zod'
import type { ProblemCode } from '../../shared/errors.js'
import type { RefusalCode } from '../../shared/refused.js'

/** Who may call it, and so what it can be refused for. `open`: everybody, uncounted, and no store is needed. */
export type Access = 'open' | 'everybody' | 'customer' | 'guest' | 'signature' | 'operator' | 'catalogue'

export interface Parameter {
  description: string
  schema: object
  required?: boolean
  example?: unknown
}

export interface Body {
  /** application/json, unless it says otherwise. */
  type?: string
  schema: z.ZodType
  example: unknown
  required?: boolean
}

export interface Answer {
  description: string
  /** Without one the answer has no body. */
  body?: Body
  headers?: HeaderName[]
}

export type HeaderName = 'Location' | 'Link' | 'ETag' | 'Idempotent-Replayed' | 'Set-Cookie' | 'Cache-Control'

/** One method of one route. */
export interface Operation {
  /** What it is called in generated clients. */
  id: string
  tag: string
  summary: string
  description?: string
  access: Access
  path?: Record<string, Parameter>
  query?: Record<string, Parameter>
  headers?: Record<string, Parameter>
  body?: Body
  answers: Record<number, Answer>
  /** Besides those of its access and of its body. */
  problems?: ProblemCode[]
  /** Why an operator's act is refused: each a problem document of one form, told apart by its `type`. */
  refusals?: RefusalCode[]
}

/** By method and path, as Express names them: `GET /api/orders/:id`. */
export type Operations = Record<string, Operation>
