import { type Group, optional, setting, type ValuesOf } from '../setting.js'
import { flag, integer, isNetwork, list, web } from '../value-types.js'

const proxies = list(
  'the addresses or networks of your proxies, such as 10.0.0.0/8, or loopback; whoever is trusted can claim any address',
  all => all.every(each => ['loopback', 'linklocal', 'uniquelocal'].includes(each) || isNetwork(each))
)
const requests = integer(0, 1_000_000)

export const ingress = {
  title: 'Ingress',
  settings: {
    allowedOrigins: setting('ALLOWED_ORIGINS', list('origins such as https://shop.example or https://*.shop.example'), {
      default: '',
      doc: 'origins of the storefront, with commas; `*.` stands for one label before a host of your own; needed with cookies, and in production',
      npmStart: "the demo storefront's, too",
      example: 'https://shop.example'
    }),
    siteUrl: optional('NEXTAUTH_URL', web('https://shop.example'), {
      doc: 'the storefront, as next-auth has it: its origin is allowed, too'
    }),
    trustProxy: setting('TRUST_PROXY', proxies, {
      default: '',
      doc: 'IP addresses or networks of your reverse proxies, whose `X-Forwarded-For` counts; without it nobody is believed',
      example: ''
    }),
    perIp: setting('RATE_LIMIT_PER_IP', requests, {
      default: '600',
      doc: 'requests of an IP address in a minute, over all processes; 0 for no limit. IPv6 counts by /64, here and in `FRAUD_*_PER_IP`'
    }),
    perUser: setting('RATE_LIMIT_PER_USER', requests, {
      default: '120',
      doc: 'requests of a customer in a minute, over all processes; 0 for no limit'
    }),
    apiReference: setting('API_REFERENCE', flag, {
      default: 'true',
      doc: 'whether `/openapi.json` and `/docs` show the reference of the API; it says nothing of this shop'
    })
  }
} satisfies Group

export function readIngress({
  allowedOrigins,
  siteUrl,
  trustProxy,
  perIp,
  perUser,
  apiReference
}: ValuesOf<typeof ingress>) {
  return {
    trustProxy,
    apiReference,
    /** Requests in a minute; 0 for no limit. */
    rateLimits: { perIp, perUser },
    allowedOrigins: [...allowedOrigins, ...(siteUrl === undefined ? [] : [new URL(siteUrl).origin])]
  }
}
