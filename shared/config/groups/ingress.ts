import type { ProxyTrust } from '../../identity/client-address.js'
import { basePath } from '../base-path.js'
import { type Group, optional, setting, type ValuesOf } from '../setting.js'
import { flag, headerName, integer, isProxyNetwork, list, type ValueType, web } from '../value-types.js'

const someProxies = list(
  'the IP addresses or networks of your proxies, such as 10.0.0.0/8, or loopback, linklocal or uniquelocal; or how many proxies a request passes, such as 1; whoever is trusted can claim any IP address',
  all => all.every(isProxyNetwork) || (all.length === 1 && /^[1-9]$/.test(all[0] ?? ''))
)
const proxies: ValueType<ProxyTrust> = {
  takes: someProxies.takes,
  schema: someProxies.schema.transform(parts =>
    /^[1-9]$/.test(parts[0] ?? '') ? { hops: Number(parts[0]) } : { networks: parts }
  )
}
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
    basePath: setting('BASE_PATH', basePath, {
      default: '',
      doc: 'the prefix under which a proxy shows the ingress, such as `/payments`: links, `Location`, cookies and the reference of the API have it. Requests may come with it or without it'
    }),
    trustProxy: setting('TRUST_PROXY', proxies, {
      default: '',
      doc: 'your reverse proxies, which are believed about where a request comes from; without it nobody is. A number only where nobody can reach the ingress past them',
      example: ''
    }),
    clientAddressHeader: setting('CLIENT_ADDRESS_HEADER', headerName('CF-Connecting-IP'), {
      default: 'X-Forwarded-For',
      doc: 'where they write it: `X-Forwarded-For` or `Forwarded`, read from the right, or a header with one IP address such as `CF-Connecting-IP`, `Fly-Client-IP`, `True-Client-IP` or `X-Real-IP`'
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
  basePath: prefix,
  trustProxy,
  clientAddressHeader,
  perIp,
  perUser,
  apiReference
}: ValuesOf<typeof ingress>) {
  return {
    basePath: prefix,
    trustProxy,
    clientAddressHeader,
    apiReference,
    /** Requests in a minute; 0 for no limit. */
    rateLimits: { perIp, perUser },
    allowedOrigins: [...allowedOrigins, ...(siteUrl === undefined ? [] : [new URL(siteUrl).origin])]
  }
}
