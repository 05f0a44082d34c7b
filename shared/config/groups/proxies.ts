import { type Proxies, proxyExceptions, proxyServer } from '../proxies.js'
import { type Group, optional, setting, type ValuesOf } from '../setting.js'

export const proxies = {
  title: 'Calls to others',
  settings: {
    https: optional('HTTPS_PROXY', proxyServer('HTTPS_PROXY'), {
      secret: true,
      doc: 'the proxy through which Stripe and every other `https:` URL is called: issuers, the shop, Sentry, a collector; `https_proxy` counts, too, and before it'
    }),
    http: optional('HTTP_PROXY', proxyServer('HTTP_PROXY'), {
      secret: true,
      doc: 'the proxy for `http:` URLs; or `http_proxy`'
    }),
    except: setting('NO_PROXY', proxyExceptions, {
      default: '',
      doc: 'what is called directly all the same; or `no_proxy`. This machine itself (`localhost`, 127.0.0.0/8, ::1) always is'
    })
  }
} satisfies Group

export function readProxies({ http, https, except }: ValuesOf<typeof proxies>): Proxies {
  return { http, https, except }
}

/** As other programs have it: the name in small letters counts before the other. */
export function withProxyNames(env: Record<string, string | undefined>): Record<string, string | undefined> {
  const small = Object.values(proxies.settings).flatMap(({ variable }) => {
    const value = env[variable.toLowerCase()]
    return value === undefined || value.trim() === '' ? [] : [[variable, value] as const]
  })
  return { ...env, ...Object.fromEntries(small) }
}
