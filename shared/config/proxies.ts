import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { given, type ValueType } from './value-types.js'

/** A proxy for calls to others. */
export interface ProxyServer {
  /** The setting that names it. */
  variable: string
  /** Where it is, without its user and password: what may be shown. */
  url: string
  /** For Proxy-Authorization, RFC 7617; undefined when it wants none. */
  authorization?: string
}

/** Which calls go through which proxy. */
export interface Proxies {
  http?: ProxyServer
  https?: ProxyServer
  /** What is called directly all the same. */
  except: readonly Exception[]
}

type Exception =
  | { kind: 'all' }
  | { kind: 'network'; address: ipaddr.IPv4 | ipaddr.IPv6; bits: number; port?: string }
  | { kind: 'name'; pattern: RegExp; port?: string }

const EXAMPLE = 'http://proxy.example:3128'

/** As curl and others read it: without a scheme it is one of HTTP. */
export function proxyServer(variable: string): ValueType<ProxyServer> {
  return {
    takes: `the URL of an HTTP proxy such as ${EXAMPLE}, or http://USER:PASSWORD@HOST:PORT`,
    schema: given().transform((text, context) => {
      const server = readServer(variable, text.trim())
      if (typeof server !== 'string') return server
      context.addIssue({ code: 'custom', message: `expected the URL of an HTTP proxy such as ${EXAMPLE}; ${server}` })
      return { variable, url: '' }
    })
  }
}

/** The server, or what is wrong with the text; no part of it, which may be a password. */
function readServer(variable: string, text: string): ProxyServer | string {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme?.startsWith('socks')) return 'SOCKS is not spoken: name its port for HTTP'
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') return `${scheme}:// is not spoken`
  const whole = scheme === undefined ? `http://${text}` : text
  if (!URL.canParse(whole))
    return 'this is no URL: in a user and a password write @ : / # ? % as %40 %3A %2F %23 %3F %25'
  const { username, password, pathname, search, hash, protocol, host } = new URL(whole)
  if (pathname !== '/' || search !== '' || hash !== '')
    return 'it has more than a host and a port: take the path out, and in a password write / # ? as %2F %23 %3F'
  const server = { variable, url: `${protocol}//${host}` }
  if (username === '' && password === '') return server
  try {
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    return { ...server, authorization: `Basic ${Buffer.from(login).toString('base64')}` }
  } catch {
    return 'its password has a % that encodes nothing: write it as %25'
  }
}

/** With commas or spaces between them, as each program that knows NO_PROXY takes some of: here are all of these forms. */
export const proxyExceptions: ValueType<Exception[]> = {
  takes:
    'hosts that are called directly, with commas: shop.example (with all below it), .shop.example, *.shop.example, shop.example:8443, 10.1.2.3, 10.0.0.0/8, [fd00::1], or * for all',
  schema: given().transform((text, context) => {
    const entries = text.split(/[\s,]+/).filter(entry => entry !== '')
    return entries.flatMap(entry => {
      const exception = readException(entry)
      if (exception !== undefined) return [exception]
      const problem = entry.includes('://') ? 'write the host alone' : 'a network is written like 10.0.0.0/8'
      context.addIssue({ code: 'custom', message: `"${entry}" is neither a host nor a network; ${problem}` })
      return []
    })
  })
}

function readException(entry: string): Exception | undefined {
  if (entry === '*') return { kind: 'all' }
  if (entry.includes('/')) {
    if (isIP(entry.replace(/\/.*$/, '')) === 0 || !ipaddr.isValidCIDR(entry)) return undefined
    const [address, bits] = ipaddr.parseCIDR(entry)
    return { kind: 'network', address, bits }
  }
  const [, bracketed, v6port] = /^\[([^\]]*)\](?::(\d+))?$/.exec(entry) ?? []
  const [, plain, port] = /^([^:]*):(\d+)$/.exec(entry) ?? []
  const host = bracketed ?? plain ?? entry
  const only = v6port ?? port
  const ported = only === undefined ? {} : { port: only }
  const address = addressOf(host)
  if (address !== undefined) return { kind: 'network', address, bits: address.kind() === 'ipv4' ? 32 : 128, ...ported }
  const name = host
    .toLowerCase()
    .replace(/^(\*?\.)+/, '')
    .replace(/\.$/, '')
  const pattern = name.replace(/[^a-z0-9*-]/g, '\\$&').replaceAll('*', '.*')
  return name === '' ? undefined : { kind: 'name', pattern: new RegExp(`(^|\\.)${pattern}$`), ...ported }
}

/** Which proxy leads to a URL; undefined when it is called directly, as this machine itself always is. */
export function proxyFor(proxies: Proxies, url: string | URL): ProxyServer | undefined {
  const { protocol, hostname, port } = new URL(url)
  const server = protocol === 'https:' ? proxies.https : proxies.http
  if (server === undefined) return undefined
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const address = addressOf(host)
  if (address?.range() === 'loopback' || /(^|\.)localhost$/.test(host)) return undefined
  const target = { host, address, port: port || (protocol === 'https:' ? '443' : '80') }
  return proxies.except.some(exception => isExcepted(exception, target)) ? undefined : server
}

interface Target {
  host: string
  address: ipaddr.IPv4 | ipaddr.IPv6 | undefined
  port: string
}

function isExcepted(exception: Exception, { host, address, port }: Target): boolean {
  if (exception.kind === 'all') return true
  if (exception.port !== undefined && exception.port !== port) return false
  if (exception.kind === 'name') return exception.pattern.test(host)
  return address?.kind() === exception.address.kind() && address.match(exception.address, exception.bits)
}

/** An IPv4 address in IPv6's clothes is that of IPv4. */
function addressOf(host: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  return isIP(host) === 0 ? undefined : ipaddr.process(host)
}
