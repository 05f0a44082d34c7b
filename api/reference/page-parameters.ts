import { MAX_PAGE } from '../page.js'
import type { Parameter } from './operation.js'

export const limit = (usual: number): Parameter => ({
  description: 'How many a page has',
  schema: { type: 'integer', minimum: 1, maximum: MAX_PAGE, default: usual }
})

export const cursor: Parameter = { description: 'The `next` of the page before', schema: { type: 'string' } }
