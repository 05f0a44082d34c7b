import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { projectRoot } from '../../shared/project-root.js'

type Json = Record<string, unknown>

interface OperationObject {
  operationId: string
  responses: Record<string, { content?: Record<string, { schema: object; example?: unknown }>; headers?: Json }>
  requestBody?: { content: Record<string, { schema: object; example: unknown }> }
}

export interface Reference {
  paths: Record<string, Record<string, OperationObject>>
  webhooks: Record<string, { post: OperationObject }>
  components: { schemas: Record<string, Json> }
}

export const reference: Reference = JSON.parse(readFileSync(join(projectRoot, 'docs/openapi.json'), 'utf8'))

const METHODS = ['get', 'post', 'put', 'patch', 'delete']

/** `GET /api/orders/:id` for every operation of the reference. */
export function describedRoutes(): string[] {
  return Object.entries(reference.paths).flatMap(([path, item]) =>
    METHODS.filter(method => method in item).map(
      method => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`
    )
  )
}

const ajv = new Ajv2020({ strict: false, allErrors: true })
addFormats.default(ajv)
ajv.addSchema({ ...(strict(reference) as object), $id: 'reference' })

/** Readers must take fields that they do not know; here each one that is not in the reference is a fault. */
function strict(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strict)
  if (typeof value !== 'object' || value === null) return value
  const copy: Json = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, strict(inner)]))
  const isClosed = copy.type === 'object' && 'properties' in copy && !('additionalProperties' in copy)
  return isClosed ? { ...copy, additionalProperties: false } : copy
}

const escaped = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** What is wrong with a value by the schema at this place of the reference; nothing when it is empty. */
export function faults(value: unknown, ...place: string[]): string[] {
  const validate = ajv.getSchema(`reference#/${place.map(each => encodeURIComponent(escaped(each))).join('/')}`)
  if (validate === undefined) return [`there is nothing at ${place.join(' ')}`]
  if (validate(value)) return []
  return (validate.errors ?? []).map(error => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`)
}

function pathOf(method: string, path: string): string | undefined {
  const matching = Object.keys(reference.paths).filter(template =>
    new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+').replaceAll('.', '\\.')}$`).test(path)
  )
  const literal = matching.find(template => template === path)
  const found = literal ?? matching.find(template => method in (reference.paths[template] ?? {})) ?? matching[0]
  return found
}

export interface Held {
  /** `GET /api/orders/{id} 404 order_not_found`, for each answer that was seen. */
  seen: Set<string>
  faults: string[]
  stop(): void
}

/** From now on every answer to a fetch() of these servers is compared with the reference. */
export function holdAnswers(...bases: string[]): Held {
  const ask = globalThis.fetch
  const held: Held = {
    seen: new Set(),
    faults: [],
    stop() {
      globalThis.fetch = ask
    }
  }
  globalThis.fetch = async (input, init) => {
    const response = await ask(input, init)
    const request = input instanceof Request ? input : new Request(input, init as RequestInit)
    if (bases.some(base => request.url.startsWith(base))) await compare(held, request.method, request.url, response)
    return response
  }
  return held
}

async function compare(held: Held, method: string, url: string, response: Response): Promise<void> {
  const { pathname } = new URL(url)
  const path = pathOf(method.toLowerCase(), pathname)
  if (path === undefined || method === 'OPTIONS' || method === 'HEAD') return
  const { status } = response
  const type = response.headers.get('content-type')?.split(';')[0] ?? ''
  // A stream is read by whoever asked for it.
  const body = type === 'text/event-stream' ? '' : await response.clone().text()
  const isJson = type.endsWith('json')
  const code = type === 'application/problem+json' ? String(JSON.parse(body).type).split(':').at(-1) : ''
  const name = `${method} ${path} ${status} ${code}`.trim()
  held.seen.add(name)
  const report = (found: string[]) => held.faults.push(...found.map(fault => `${name}: ${fault}`))
  if (status === 405) return void report(faults(JSON.parse(body), 'components', 'schemas', 'MethodNotAllowedProblem'))
  const place = ['paths', path, method.toLowerCase(), 'responses', String(status)]
  const described = reference.paths[path]?.[method.toLowerCase()]?.responses[String(status)]
  if (described === undefined) return void report([`the status is not in the reference: ${body.slice(0, 300)}`])
  if (described.content === undefined) return void report(body === '' ? [] : ['a body that is not in the reference'])
  if (!(type in described.content)) return void report([`${type} is not in the reference`])
  if (type !== 'text/event-stream')
    report(faults(isJson ? JSON.parse(body) : body, ...place, 'content', type, 'schema'))
  if (!response.headers.has('x-request-id')) report(['there is no X-Request-Id'])
}
