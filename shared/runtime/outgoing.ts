import { type Proxies, type ProxyServer, proxyFor } from '../config/proxies.js'
import type { Fetch, fetchBehind } from './proxy-agent.js'

export type { Fetch } from './proxy-agent.js'

/** A proxy is away, or does not let a call through; the message names it, without its password. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
}

/**
 * How others are called: through the proxy that is set for a URL, else directly, as without this function
 * (docs/decisions/0056-calls-through-a-proxy.md).
 */
export function outgoingFetch(proxies: Proxies): Fetch {
  return async (url, init) => {
    const server = proxyFor(proxies, url)
    return server === undefined ? await fetch(url, init) : await fetchThrough(server, url, init)
  }
}

async function fetchThrough(server: ProxyServer, url: string | URL, init: RequestInit = {}): Promise<Response> {
  const { call } = await openProxy(server)
  try {
    const response = await call(url, init)
    if (response.status !== 407) return response
    await response.body?.cancel()
  } catch (error) {
    if (init.signal?.aborted) throw error
    throw new ProxyError(`the proxy ${server.url} ${reasonOf(server, new URL(url).host, error)}`)
  }
  throw new ProxyError(`the proxy ${server.url} ${wantsLogin(server)}`)
}

type Way = ReturnType<typeof fetchBehind>

const opened = new Map<string, Promise<Way>>()

/** Nothing is loaded without a proxy; its connections are shared by all who call through it. */
function openProxy({ url, authorization }: ProxyServer): Promise<Way> {
  const key = `${url} ${authorization ?? ''}`
  const known = opened.get(key) ?? load(url, authorization)
  opened.set(key, known)
  return known
}

/** A tunnel that is kept for the next call holds a program that is done: to be called at its end. */
export async function closeProxies(): Promise<void> {
  const ways = await Promise.all(opened.values())
  opened.clear()
  await Promise.all(ways.map(way => way.close()))
}

async function load(uri: string, token: string | undefined): Promise<Way> {
  const { fetchBehind } = await import('./proxy-agent.js')
  return fetchBehind(uri, token)
}

const AWAY = ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']

function reasonOf(server: ProxyServer, host: string, error: unknown): string {
  const { message, code = '' } = causeOf(error)
  const status = /\((\d{3})\)/.exec(message)?.[1]
  if (status === '407') return wantsLogin(server)
  if (status !== undefined)
    return `does not let us through to ${host} (${status}): allow it there, or name the host in NO_PROXY`
  if (AWAY.includes(code) || code === 'UND_ERR_CONNECT_TIMEOUT')
    return `cannot be reached (${message}): is ${server.variable} right?`
  return `did not lead to ${host} (${message})`
}

function wantsLogin({ variable, authorization }: ProxyServer): string {
  return authorization === undefined
    ? `wants a user and a password (407): write them into ${variable} as http://USER:PASSWORD@HOST:PORT`
    : `does not take the user and password of ${variable} (407)`
}

/** What a "fetch failed" was. */
function causeOf(error: unknown): { message: string; code?: string } {
  const { cause, errors, message, code } = error as Error & { code?: string; errors?: unknown[] }
  const inner = errors?.[0] ?? cause
  return inner instanceof Error || (typeof inner === 'object' && inner !== null && 'message' in inner)
    ? causeOf(inner)
    : { message, code }
}
