import { basePath } from '../base-path.js'
import { type Group, optional, required, setting, type ValuesOf } from '../setting.js'
import { headerName, isProxyNetwork, list, port, text } from '../value-types.js'

const password = text('at least 12 characters', text => text.length >= 12)
const proxies = list(
  'IP addresses or networks such as 10.0.0.5 or 10.0.0.0/24, or loopback, linklocal or uniquelocal',
  all => all.every(isProxyNetwork)
)

export const ops = {
  title: 'Operators',
  settings: {
    user: setting('OPS_USER', text('a name'), {
      default: 'ops',
      doc: "the operator of Bull Board, metrics and the operators' API"
    }),
    password: required('OPS_PASSWORD', password, {
      secret: true,
      doc: "the operator's password",
      npmStart: 'made at the first start',
      example: ''
    }),
    viewerUser: setting('OPS_VIEWER_USER', text('a name'), {
      default: 'viewer',
      doc: 'a login that can only look'
    }),
    viewerPassword: optional('OPS_VIEWER_PASSWORD', password, {
      secret: true,
      doc: 'its password; without one there is no such login'
    }),
    catalogueUser: setting('OPS_CATALOGUE_USER', text('a name'), {
      default: 'catalogue',
      doc: 'a login that can read and change products and nothing else, for the shop that pushes them'
    }),
    cataloguePassword: optional('OPS_CATALOGUE_PASSWORD', password, {
      secret: true,
      doc: 'its password; without one there is no such login'
    }),
    port: setting('OPS_PORT', port, {
      default: '3001',
      doc: "where Bull Board, metrics and the operators' API listen",
      npmStart: 'another one when 3001 is taken'
    }),
    host: setting('OPS_HOST', text('an IP address or a name of this machine'), {
      default: '127.0.0.1',
      doc: 'the IP address on which they listen'
    }),
    basePath: setting('OPS_BASE_PATH', basePath, {
      default: '',
      doc: 'the prefix under which a proxy shows them, such as `/internal/payments`: links, redirects, forms, Bull Board and the cookie have it. Requests may come with it or without it'
    }),
    workersPort: setting('WORKERS_PORT', port, {
      default: '0',
      doc: 'where workers that run apart from the ingress show `/metrics`, to the same logins, and `/healthz` (503 when a worker has stopped); 0: nowhere'
    }),
    proxyUserHeader: optional('OPS_PROXY_USER_HEADER', headerName('X-Forwarded-Email'), {
      doc: 'a proxy signs operators in: the header in which it names them'
    }),
    trustProxy: setting('OPS_TRUST_PROXY', proxies, {
      default: '',
      doc: 'the IP address of that proxy, which alone is believed'
    }),
    operators: setting('OPS_OPERATORS', list('names with commas between them'), {
      default: '',
      doc: 'who of those whom it names may change things; the others can look'
    })
  }
} satisfies Group

export function readOps(values: ValuesOf<typeof ops>) {
  return { ...values, workersPort: values.workersPort === 0 ? undefined : values.workersPort }
}
