import { isIPv4, isIPv6 } from 'node:net'
import { plainAddress } from './ip-address.js'

/**
 * The addresses that a header names, the last first, null for what is none: `unknown`, a hidden one, a broken one.
 * It is read from the right and only as far as somebody asks, so that nothing that a client writes in front of what the
 * proxies append changes how theirs is read. Only `forwarded` (RFC 7239) and lists such as X-Forwarded-For have several.
 */
export function* addressesFromRight(header: string, text: string): Generator<string | null> {
  const name = header.toLowerCase()
  if (name === 'forwarded') {
    for (const element of membersFromRight(text)) yield forwardedFor(element)
  } else if (name.endsWith('forwarded-for')) {
    for (const member of membersFromRight(text)) yield nodeAddress(member)
  } else {
    yield nodeAddress(text)
  }
}

/** RFC 9110, section 5.6.1: commas within quotes part nothing, and empty members count for nothing. */
function* membersFromRight(text: string): Generator<string> {
  let end = text.length
  let quoted = false
  for (let at = text.length - 1; at >= -1; at--) {
    if (text[at] === '"' && !(quoted && isEscaped(text, at))) quoted = !quoted
    if (at >= 0 && (text[at] !== ',' || quoted)) continue
    const member = text.slice(at + 1, end).trim()
    end = at
    if (member !== '') yield member
  }
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text[at - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}

/** Unquoted values take more than RFC 7239, section 4 allows: proxies write ports and IPv6 without quotes. */
const PAIR = /\s*(?:([\w!#$%&'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s";]*)\s*)?(?:;|$)/y

function forwardedFor(element: string): string | null {
  const nodes: string[] = []
  for (let at = 0; at < element.length; at = PAIR.lastIndex) {
    PAIR.lastIndex = at
    const pair = PAIR.exec(element)
    if (pair === null) return null
    if (pair[1]?.toLowerCase() === 'for') nodes.push(pair[2] ?? '')
  }
  return nodes.length === 1 ? nodeAddress(nodes[0] ?? '') : null
}

const PORT = String.raw`(?::(?:\d{1,5}|_[\w.-]+))?`
const BRACKETED = new RegExp(String.raw`^\[([^\[\]]+)\]${PORT}$`)
const IPV4 = new RegExp(String.raw`^([\d.]+)${PORT}$`)

/** The address of a node: quoted or not, with a port or without, IPv6 in brackets or not. */
function nodeAddress(text: string): string | null {
  const node = unquoted(text.trim())
  const bracketed = BRACKETED.exec(node)?.[1]
  if (bracketed !== undefined) return isIPv6(bracketed) ? plainAddress(bracketed) : null
  const ipv4 = IPV4.exec(node)?.[1]
  if (ipv4 !== undefined) return isIPv4(ipv4) ? ipv4 : null
  return plainAddress(node)
}

function unquoted(text: string): string {
  const quoted = /^"(.*)"$/.exec(text)?.[1]
  return quoted === undefined ? text : quoted.replace(/\\(.)/g, '$1').trim()
}
