import fc from 'fast-check'
import { clientAddress, proxiesOf } from '../shared/identity/client-address.js'
import { networkOf } from '../shared/identity/ip-address.js'
import { openShop, withShop } from './support/shop.js'

const PROXY = '10.0.0.7'
const CLIENT = '203.0.113.9'
const OWN = proxiesOf({ networks: ['uniquelocal', 'loopback'] })

const asked = (header: string, text: string | undefined, isProxy = OWN, peer = PROXY) =>
  clientAddress({ peer, header, text }, isProxy)

it.each([
  ['X-Forwarded-For', '203.0.113.9', CLIENT],
  ['X-Forwarded-For', '203.0.113.9:51234', CLIENT],
  ['X-Forwarded-For', ' 203.0.113.9 , 10.0.0.2 ', CLIENT],
  ['X-Forwarded-For', '203.0.113.9,, ,10.0.0.2:80', CLIENT],
  ['X-Forwarded-For', '::ffff:203.0.113.9', CLIENT],
  ['X-Forwarded-For', '[::ffff:203.0.113.9]:443', CLIENT],
  ['X-Forwarded-For', '2001:db8::1', '2001:db8::1'],
  ['X-Forwarded-For', '[2001:DB8:0:0::1]', '2001:db8::1'],
  ['X-Forwarded-For', '[2001:db8::1]:51234', '2001:db8::1'],
  ['X-Forwarded-For', '"[2001:db8::1]:51234"', '2001:db8::1'],
  ['X-Forwarded-For', 'fe80::1%eth0, 203.0.113.9', CLIENT],
  ['x-original-forwarded-for', '203.0.113.9:1, 10.0.0.3', CLIENT],
  ['Forwarded', 'for=203.0.113.9', CLIENT],
  ['Forwarded', 'For="203.0.113.9:51234";proto=https;by=10.0.0.2', CLIENT],
  ['Forwarded', 'for="[2001:db8::1]:_port"', '2001:db8::1'],
  ['Forwarded', 'by=_x; for=203.0.113.9 , for=10.0.0.3', CLIENT],
  ['CF-Connecting-IP', '203.0.113.9', CLIENT],
  ['Fly-Client-IP', '2001:db8::1', '2001:db8::1'],
  ['X-Real-IP', '203.0.113.9:443', CLIENT]
])('%s: %s is %s', (header, text, address) => {
  expect(asked(header, text)).toBe(address)
})

it.each([
  ['X-Forwarded-For', '203.0.113.9, unknown'],
  ['X-Forwarded-For', '203.0.113.9, 999.1.1.1'],
  ['X-Forwarded-For', '203.0.113.9, 10.0.0'],
  ['X-Forwarded-For', '203.0.113.9, "'],
  ['X-Forwarded-For', ''],
  ['X-Forwarded-For', undefined],
  ['Forwarded', 'for=203.0.113.9, for=_hidden'],
  ['Forwarded', 'for=203.0.113.9, for=unknown'],
  ['Forwarded', 'for=203.0.113.9, proto=https'],
  ['Forwarded', 'for=203.0.113.9, for=1.1.1.1;for=2.2.2.2'],
  ['CF-Connecting-IP', '203.0.113.9, 198.51.100.4']
])('%s: %s names nobody: it is the proxy that asks', (header, text) => {
  expect(asked(header, text)).toBe(PROXY)
})

it('nobody is believed who is no proxy of the shop', () => {
  expect(asked('X-Forwarded-For', '203.0.113.9', OWN, '198.51.100.4')).toBe('198.51.100.4')
  expect(asked('X-Forwarded-For', '203.0.113.9', proxiesOf({ networks: [] }))).toBe(PROXY)
})

it.each([
  [1, 'evil, 203.0.113.9', CLIENT],
  [2, 'evil, 203.0.113.9, 198.51.100.4', CLIENT],
  [2, '203.0.113.9', CLIENT]
])('of %s hops %s is %s', (hops, text, address) => {
  expect(asked('X-Forwarded-For', text, proxiesOf({ hops }), '198.51.100.77')).toBe(address)
})

const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined })
const address = fc.oneof(
  fc.ipV4().filter(ip => !/^(10|127|192|172)\./.test(ip)),
  fc.ipV6().map(
    ip =>
      `2001:db8:${
        ip
          .split(':')
          .filter(part => /^[\da-f]+$/i.test(part))
          .slice(0, 2)
          .join(':') || '1'
      }::1`
  )
)
/** As proxies write it. */
const written = fc.tuple(address, port).chain(([ip, number]) => {
  const bare = ip.includes(':') ? `[${ip}]` : ip
  const forms = number === undefined ? [ip, bare, `"${bare}"`] : [`${bare}:${number}`, `"${bare}:${number}"`]
  return fc.constantFrom(...forms).map(text => ({ ip, text }))
})

it('whatever a client writes in front of it, what the proxies append is read the same', () => {
  const claimed = fc.oneof(fc.string({ maxLength: 60 }), fc.stringMatching(/^[",;=\\ [\]fors0-9.:]{0,40}$/))
  fc.assert(
    fc.property(claimed, written, fc.constantFrom('X-Forwarded-For', 'Forwarded'), (claim, { ip, text }, header) => {
      const own = header === 'Forwarded' ? `for="${text.replaceAll('"', '')}"` : text
      const alone = asked(header, own)
      expect(networkOf(alone ?? '')).toBe(networkOf(ip))
      expect(asked(header, `${claim}, ${own}, ${header === 'Forwarded' ? 'for=10.1.1.1' : '10.1.1.1'}`)).toBe(alone)
    }),
    { numRuns: 500 }
  )
})

it('customers behind a proxy that appends ports have rate limits of their own, in the header that a setting names', async () => {
  const env = { TRUST_PROXY: 'loopback', CLIENT_ADDRESS_HEADER: 'Forwarded', RATE_LIMIT_PER_IP: '3' }
  await withShop(openShop('postgres', env), async shop => {
    const customer = await shop.customer('ada')
    const from = (node: string) => customer.request('/api/products', { headers: { Forwarded: `for="${node}"` } })
    for (let client = 1; client <= 10; client++)
      expect((await from(`203.0.113.${client}:${40_000 + client}`)).status).toBe(200)
    const statuses: number[] = []
    for (let host = 1; host <= 6; host++) statuses.push((await from(`[2001:db8::${host}]:${50_000 + host}`)).status)
    expect(statuses).toEqual([200, 200, 200, 429, 429, 429])
  })
})
