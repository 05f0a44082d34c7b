import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import Stripe from 'stripe'
import type { Account } from './account.js'
import { ApiError, invalidRequest } from './errors.js'
import { expand } from './expand.js'
import type { Faults } from './faults.js'
import { claimKey, keepAnswer } from './idempotency.js'
import { stripeId } from './ids.js'
import { Params } from './params.js'
import { checkPermissions, permissionFor } from './permissions.js'
import { ACCOUNT, findRoute } from './routes.js'

const BODY_LIMIT = 1024 * 1024

interface Answer {
  status: number
  body: string
  requestId: string
  replayed?: boolean
}

/** Answers one request to /v1 as the Stripe API does. */
export async function handleApi(
  account: Account,
  faults: Faults,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> {
  const requestId = stripeId('req', 14)
  const url = new URL(request.url ?? '/', 'http://simulator')
  const method = request.method ?? 'GET'
  const body = await readBody(request)
  if (faults.latencyMs > 0) await sleep(faults.latencyMs, undefined, { ref: false })
  const fault = method === 'POST' ? faults.next(url.pathname) : undefined
  let answer: Answer
  try {
    checkKey(request, faults, permissionFor(method, url.pathname))
    checkVersion(request)
    const parameters = method === 'POST' ? body : url.search.slice(1)
    if (faults.permissions !== undefined) {
      const expand = Params.parse(parameters).strings('expand', 20) ?? []
      checkPermissions(faults.permissions, ACCOUNT.id, { method, path: url.pathname, expand })
    }
    answer = perform(account, request, {
      method,
      path: url.pathname,
      query: url.search.slice(1),
      body,
      requestId,
      fault,
      refusal: { message: faults.refusal, code: faults.refusalCode }
    })
  } catch (error) {
    answer = errorAnswer(error, requestId)
  }
  if (method === 'POST' && faults.latencyAfterEffectMs > 0)
    await sleep(faults.latencyAfterEffectMs, undefined, { ref: false })
  if (fault === 'dropResponse') {
    request.socket.destroy()
    return
  }
  send(account, request, response, answer)
}

interface Work {
  method: string
  path: string
  query: string
  body: string
  requestId: string
  fault: ReturnType<Faults['next']>
  /** What a refusing fault says. */
  refusal: { message: string; code?: string }
}

function perform(account: Account, request: IncomingMessage, work: Work): Answer {
  if (work.fault === 'unauthorized') throw refusedKey(401)
  if (work.fault === 'forbidden') throw refusedKey(403, permissionFor(work.method, work.path))
  if (work.fault === 'refused') {
    const { message, code } = work.refusal
    throw invalidRequest(message, code === undefined ? {} : { code })
  }
  const email = work.fault === 'emailRefused' ? emailOf(work.body) : undefined
  if (email !== undefined) {
    const extras = { code: 'email_invalid', param: email }
    throw invalidRequest('Invalid email address: a fault was asked for', extras)
  }
  if (work.fault === 'rateLimit') {
    throw new ApiError(429, {
      type: 'invalid_request_error',
      code: 'rate_limit',
      message: 'Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.'
    })
  }
  const key = work.method === 'POST' ? header(request, 'idempotency-key') : undefined
  if (key === undefined) return run(account, work, null)
  const kept = claimKey(account.store, key, work.path, work.body, account.now())
  if (kept !== undefined) return { ...kept, replayed: true }
  let answer: Answer
  try {
    answer = run(account, work, key)
  } catch (error) {
    answer = errorAnswer(error, work.requestId)
  }
  keepAnswer(account.store, key, answer)
  return answer
}

/** The parameter that names one. */
function emailOf(body: string): string | undefined {
  const params = new URLSearchParams(body)
  return ['customer_email', 'payment_intent_data[receipt_email]'].find(name => params.has(name))
}

function run(account: Account, work: Work, key: string | null): Answer {
  if (work.fault === 'serverError') throw new Error('a fault was asked for')
  const params = Params.parse(work.method === 'POST' ? work.body : work.query)
  const paths = params.strings('expand', 20) ?? []
  const cause = { id: work.requestId, idempotency_key: key }
  const object = findRoute(work.method, work.path).handle({ account, params, cause })
  if (work.fault === 'serverErrorAfterEffect') throw new Error('a fault was asked for')
  return { status: 200, body: JSON.stringify(expand(account.store, object, paths), null, 2), requestId: work.requestId }
}

/** https://docs.stripe.com/api/authentication: a test secret key, as a bearer token or as the user of Basic. */
function checkKey(request: IncomingMessage, faults: Faults, permission: string): void {
  if (faults.refuseKey !== undefined) throw refusedKey(faults.refuseKey, permission)
  if (faults.lacks === permission) throw refusedKey(403, permission)
  const authorization = header(request, 'authorization') ?? ''
  const bearer = /^Bearer +(\S+)$/i.exec(authorization)?.[1]
  const basic = /^Basic +(\S+)$/i.exec(authorization)?.[1]
  const key = bearer ?? (basic === undefined ? undefined : Buffer.from(basic, 'base64').toString().split(':')[0])
  if (key === undefined || key === '') {
    throw invalidRequest(
      "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.",
      {},
      401
    )
  }
  if (key.startsWith('pk_')) {
    throw invalidRequest(
      'This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.',
      { code: 'secret_key_required' },
      401
    )
  }
  if (!/^(sk|rk)_test_\w+$/.test(key)) throw invalidRequest(`Invalid API Key provided: ${masked(key)}`, {}, 401)
}

/** https://docs.stripe.com/keys#rolling-keys, https://docs.stripe.com/keys/restricted-api-keys */
function refusedKey(status: 401 | 403, permission = ''): ApiError {
  const message =
    status === 401
      ? 'Expired API Key provided: sk_test_****demo'
      : `The provided key 'rk_test_****demo' does not have the required permissions for this endpoint. Having the '${permission}' permission would allow this request to continue.`
  return invalidRequest(message, status === 401 ? { code: 'api_key_expired' } : {}, status)
}

function masked(key: string): string {
  return key.length <= 12
    ? `${key.slice(0, 3)}${'*'.repeat(Math.max(0, key.length - 3))}`
    : `${key.slice(0, 8)}${'*'.repeat(key.length - 12)}${key.slice(-4)}`
}

/** This simulator speaks the version of the installed stripe package; a client that asks for another one must know. */
function checkVersion(request: IncomingMessage): void {
  const version = header(request, 'stripe-version')
  if (version === undefined || version === Stripe.API_VERSION) return
  throw invalidRequest(`Invalid Stripe API version: ${version}. This simulator has ${Stripe.API_VERSION} only.`)
}

function errorAnswer(error: unknown, requestId: string): Answer {
  if (error instanceof ApiError) {
    const { code } = error.error
    const docUrl =
      code === undefined ? {} : { doc_url: `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}` }
    const body = {
      error: { ...error.error, ...docUrl, request_log_url: `https://dashboard.stripe.com/test/logs/${requestId}` }
    }
    return { status: error.status, body: JSON.stringify(body, null, 2), requestId }
  }
  const body = { error: { type: 'api_error', message: 'An unknown error occurred' } }
  return { status: 500, body: JSON.stringify(body, null, 2), requestId }
}

function send(account: Account, request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const key = header(request, 'idempotency-key')
  response.writeHead(answer.status, {
    'Content-Type': 'application/json',
    Date: new Date(account.now()).toUTCString(),
    'Request-Id': answer.requestId,
    'Stripe-Version': Stripe.API_VERSION,
    'Cache-Control': 'no-cache, no-store',
    ...(key === undefined ? {} : { 'Idempotency-Key': key, 'Original-Request': answer.requestId }),
    ...(answer.replayed ? { 'Idempotent-Replayed': 'true' } : {}),
    ...(answer.status === 409 ? { 'Stripe-Should-Retry': 'true' } : {})
  })
  response.end(`${answer.body}\n`)
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size > BODY_LIMIT) throw new Error('the body is too large')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString()
}
