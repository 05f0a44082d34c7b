import { z } from 'zod'
import { named } from './components.js'
import type { Operations } from './operation.js'

const document = named('ApiReference', z.looseObject({ openapi: z.string() }))

export const referenceOperations: Operations = {
  'GET /openapi.json': {
    id: 'readApiReference',
    tag: 'Reference',
    summary: 'This reference, unless API_REFERENCE=false',
    access: 'open',
    answers: {
      200: {
        description: 'OpenAPI 3.1',
        headers: ['ETag', 'Cache-Control'],
        body: { schema: document, example: { openapi: '3.1.1' } }
      },
      304: { description: 'What is known still holds', headers: ['ETag', 'Cache-Control'] }
    }
  }
}
