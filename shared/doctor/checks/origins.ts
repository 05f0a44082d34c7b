import { SECOND } from '../../duration.js'
import { type Fetch, outgoingFetch } from '../../runtime/outgoing.js'
import type { Check } from '../check.js'
import { type Finding, fine, must, should } from '../finding.js'
import { isLoopback } from '../loopback.js'

const ANSWER_WITHIN = 5 * SECOND

/** Where the storefront is, and where customers come back to. */
export const origins: Check = {
  name: 'origins',
  needs: ['ALLOWED_ORIGINS', 'NEXTAUTH_URL'],
  async run({ config: { allowedOrigins, payment, production, proxies }, settings: { wrong } }) {
    const call = outgoingFetch(proxies)
    const pages = [
      ...(wrong.has('PAYMENT_SUCCESS_URL') ? [] : [payment.successUrl]),
      ...(wrong.has('PAYMENT_CANCEL_URL') ? [] : [payment.cancelUrl])
    ]
    const places = [...new Set([...allowedOrigins, ...pages.map(originOf)])]
    const findings = (await Promise.all(places.map(place => lookAt(place, production, call)))).flat()
    if (allowedOrigins.length === 0)
      findings.push(
        should('ALLOWED_ORIGINS is empty: no browser can come with a session cookie, only bearer tokens count')
      )
    return findings.length > 0 ? findings : [fine(`${places.join(', ')}: each that can be asked answers`)]
  }
}

function originOf(url: string): string {
  return new URL(url).origin
}

async function lookAt(origin: string, production: boolean, call: Fetch): Promise<Finding[]> {
  // What stands for several, and the pages within an app, have no address that could be asked.
  if (origin.includes('*') || !/^https?:/.test(origin) || (production && isLoopback(origin))) return []
  if (production && origin.startsWith('http:'))
    return [must(`${origin} is not https: session cookies and addresses travel in the clear; put it behind TLS`)]
  try {
    const response = await call(origin, {
      method: 'HEAD',
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_WITHIN)
    })
    await response.body?.cancel()
    return []
  } catch {
    return [should(`${origin} does not answer from here: is it written as browsers name your storefront?`)]
  }
}
