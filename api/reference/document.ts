import { type ProblemCode, problems } from '../../shared/errors.js'
import { type RefusalCode, refusals } from '../../shared/refused.js'
import { actOperations } from './act-operations.js'
import { catalogueOperations } from './catalogue-operations.js'
import { checkoutOperations } from './checkout-operations.js'
import { namedSchemas, reference } from './components.js'
import { guestOperations } from './guest-operations.js'
import { healthOperations } from './health-operations.js'
import { notifications } from './notifications.js'
import type { Access, Answer, Body, HeaderName, Operation, Operations, Parameter } from './operation.js'
import { operatorOperations } from './operator-operations.js'
import { orderOperations } from './order-operations.js'
import { problemSchemas, refusedProblem } from './problem-schemas.js'
import { productOperations } from './product-operations.js'
import { referenceOperations } from './reference-operations.js'
import { reportOperations } from './report-operations.js'
import { webhookOperations } from './webhook-operations.js'

/** Every route of both listeners, but for pages. A new route is described in one of these; tests/openapi.test.ts says which is missing. */
export const operations: Operations = {
  ...productOperations,
  ...orderOperations,
  ...checkoutOperations,
  ...guestOperations,
  ...webhookOperations,
  ...healthOperations,
  ...referenceOperations,
  ...operatorOperations,
  ...actOperations,
  ...reportOperations,
  ...catalogueOperations
}

const CUSTOMERS: ProblemCode[] = ['unauthorized', 'origin_refused', 'too_many_requests', 'internal', 'unavailable']

/** What each of them can meet, whatever the route does. */
const OF_ACCESS: Record<Access, ProblemCode[]> = {
  open: ['internal'],
  everybody: ['too_many_requests', 'internal', 'unavailable'],
  guest: ['origin_refused', 'too_many_requests', 'internal', 'unavailable'],
  customer: CUSTOMERS,
  signature: ['internal', 'unavailable'],
  operator: ['internal', 'unavailable'],
  catalogue: ['internal', 'unavailable']
}

const OF_A_BODY: ProblemCode[] = ['invalid_request', 'invalid_json', 'too_large', 'unsupported_media_type']

/** The prefixes under which proxies show the two listeners. */
export interface Places {
  basePath: string
  opsBasePath: string
}

const AT_THE_ROOT: Places = { basePath: '', opsBasePath: '' }

const operatorsServers = ({ opsBasePath }: Places) => [
  { url: `http://localhost:3001${opsBasePath}`, description: 'The listener of operations: OPS_PORT' }
]

const SECURITY: Record<Access, object[]> = {
  open: [],
  everybody: [],
  guest: [],
  signature: [],
  customer: [{ bearer: [] }, { cookie: [] }],
  operator: [{ operator: [] }],
  catalogue: [{ operator: [] }]
}

const HEADERS: Record<string, object> = {
  'X-Request-Id': { description: "The caller's, or a new one", schema: { type: 'string' } },
  Location: { description: 'Where what was made, or is under way, can be read', schema: { type: 'string' } },
  Link: { description: 'The next page, as `rel="next"` (RFC 8288)', schema: { type: 'string' } },
  ETag: { description: 'Of what was answered', schema: { type: 'string' } },
  'Idempotent-Replayed': {
    description: '`true`: the answer to an earlier request with this key',
    schema: { type: 'string' }
  },
  'Set-Cookie': { description: 'The guest session', schema: { type: 'string' } },
  'Cache-Control': { description: 'Whether it may be kept', schema: { type: 'string' } },
  'Retry-After': { description: 'In seconds', schema: { type: 'integer', minimum: 0 } },
  'WWW-Authenticate': { description: 'How to sign in', schema: { type: 'string' } },
  RateLimit: {
    description: 'What is left, by limit (draft-ietf-httpapi-ratelimit-headers)',
    schema: { type: 'string' }
  },
  'RateLimit-Policy': { description: 'The limits', schema: { type: 'string' } }
}

const PROBLEM_HEADERS: Record<number, string[]> = {
  401: ['WWW-Authenticate'],
  409: ['Location', 'Retry-After'],
  429: ['Retry-After', 'RateLimit', 'RateLimit-Policy'],
  503: ['Retry-After', 'Location']
}

/** The codes that an operation can be answered with. */
export function problemsOf({ access, body, problems: own = [] }: Operation): ProblemCode[] {
  const withBody = access !== 'signature' && body !== undefined
  return [...new Set([...own, ...(withBody ? OF_A_BODY : []), ...OF_ACCESS[access]])]
}

/** The reference of this API: https://spec.openapis.org/oas/v3.1.1 */
export function apiReference(version: string, places = AT_THE_ROOT): object {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Tillworks',
      version,
      description:
        'The payment pipeline for a shop on Stripe. Amounts are in major units (19.99), in notifications in minor units. A path has the methods that stand here; for others the answer is 405 (`MethodNotAllowedProblem`). Currencies, countries and limits are those of the settings.',
      license: { name: 'MIT', identifier: 'MIT' }
    },
    servers: [{ url: places.basePath || '/', description: 'The ingress: PORT' }],
    tags: [...new Set(Object.values(operations).map(({ tag }) => tag))].map(name => ({ name })),
    paths: paths(places),
    webhooks: webhooks(),
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A session token of the shop, or of a guest' },
        cookie: {
          type: 'apiKey',
          in: 'cookie',
          name: 'authjs.session-token',
          description: 'The session of the shop; docs/api.md has the other names'
        },
        operator: { type: 'http', scheme: 'basic', description: 'OPS_USER and OPS_PASSWORD' }
      },
      headers: HEADERS,
      schemas: namedSchemas()
    }
  }
}

function paths(places: Places): Record<string, Record<string, object>> {
  const found: Record<string, Record<string, object>> = {}
  for (const [route, operation] of Object.entries(operations)) {
    const [method = '', path = ''] = route.split(' ')
    const isOperators = operation.access === 'operator' || operation.access === 'catalogue'
    const name = path.replace(/:(\w+)/g, '{$1}')
    const item = found[name] ?? (isOperators ? { servers: operatorsServers(places) } : {})
    found[name] = { ...item, [method.toLowerCase()]: operationObject(operation) }
  }
  return found
}

function operationObject(operation: Operation): object {
  const { id, tag, summary, description, access, path, query, headers, body, answers } = operation
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description && { description }),
    security: SECURITY[access],
    parameters: [
      ...parameters('path', path),
      ...parameters('query', query),
      ...parameters('header', {
        ...headers,
        'X-Request-Id': {
          description: 'Finds the log lines and the audit trail of the request',
          schema: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,64}$' }
        }
      })
    ],
    ...(body && { requestBody: { required: body.required ?? true, content: contentOf(body) } }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, answerObject(access, answer)])),
      ...signInRefusals(access, operation),
      ...problemObjects(problemsOf(operation), operation.refusals)
    }
  }
}

function parameters(place: string, given: Record<string, Parameter> = {}): object[] {
  return Object.entries(given).map(([name, parameter]) => ({
    name,
    in: place,
    ...parameter,
    required: place === 'path' || (parameter.required ?? false)
  }))
}

function contentOf({ type = 'application/json', schema, example }: Body): object {
  return { [type]: { schema: reference(schema), example } }
}

function answerObject(access: Access, { description, body, headers = [] }: Answer): object {
  const limited = access === 'everybody' || access === 'guest' || access === 'customer'
  const names: (HeaderName | string)[] = [...headers, ...(limited ? ['RateLimit', 'RateLimit-Policy'] : [])]
  return { description, headers: headersOf(names), ...(body && { content: contentOf(body) }) }
}

function headersOf(names: string[]): object {
  return Object.fromEntries(['X-Request-Id', ...names].map(name => [name, { $ref: `#/components/headers/${name}` }]))
}

/** Refusals of the operators' sign-in are plain text: a browser shows them. */
function signInRefusals(access: Access, { id }: Operation): object {
  if (access !== 'operator' && access !== 'catalogue') return {}
  const refusal = (description: string, names: string[] = []) => ({
    description,
    headers: headersOf(names),
    content: { 'text/plain': { schema: { type: 'string' }, example: `${description}\n` } }
  })
  return {
    401: refusal('The operations pages need OPS_USER and OPS_PASSWORD.', ['WWW-Authenticate']),
    403: refusal(`This login may not do this (${id}), or the request comes from another site.`),
    429: refusal('Too many passwords from this address wait to be looked at. Try again.', ['Retry-After'])
  }
}

function problemObjects(codes: ProblemCode[], refused: RefusalCode[] = []): object {
  const statuses = [...new Set([...codes.map(code => problems[code].status), ...refused.map(code => refusals[code])])]
  return Object.fromEntries(
    statuses.map(status => {
      const alike = codes.filter(code => problems[code].status === status)
      const ours = refused.filter(code => refusals[code] === status)
      const schemas = [
        ...alike.map(code => reference(problemSchemas[code])),
        ...(ours.length === 0 ? [] : [reference(refusedProblem)])
      ]
      return [
        status,
        {
          description: [
            ...alike.map(code => `\`${code}\`: ${problems[code].error}`),
            ...ours.map(code => `\`${code}\`: Refused`)
          ].join('; '),
          headers: headersOf(PROBLEM_HEADERS[status] ?? []),
          content: { 'application/problem+json': { schema: schemas.length === 1 ? schemas[0] : { oneOf: schemas } } }
        }
      ]
    })
  )
}

function webhooks(): Record<string, object> {
  const described = Object.entries(notifications).map(([name, { id, summary, schema, example }]) => [
    name,
    {
      post: {
        operationId: id,
        tags: ['Notifications'],
        summary,
        description: 'Posted to ORDER_WEBHOOK_URL, signed by the Standard Webhooks scheme.',
        parameters: parameters(
          'header',
          Object.fromEntries(
            ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(header => [
              header,
              { description: 'https://www.standardwebhooks.com', schema: { type: 'string' }, required: true }
            ])
          )
        ),
        requestBody: { required: true, content: contentOf({ schema, example }) },
        responses: { '2XX': { description: 'Taken. Anything else is tried again.' } }
      }
    }
  ])
  return Object.fromEntries(described)
}
