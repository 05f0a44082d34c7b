import fc from 'fast-check'
import { type ConfigError, loadConfig } from '../shared/config/config.js'
import { originMatcher, originProblem } from '../shared/identity/origins.js'
import { signSessionToken } from '../shared/identity/session-token.js'
import { openShop, type Shop } from './support/shop.js'

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/).filter(text => !text.startsWith('xn--'))
/** Of the shop's own: no registry's, nobody's platform. */
const host = fc.array(label, { minLength: 1, maxLength: 3 }).map(labels => [...labels, 'myshop', 'example'].join('.'))
const scheme = fc.constantFrom('https', 'http')
const port = fc.option(fc.integer({ min: 1_024, max: 65_535 }), { nil: undefined })
const origin = fc
  .record({ scheme, host, port })
  .map(({ scheme, host, port }) => `${scheme}://${host}${port === undefined ? '' : `:${port}`}`)

/** An origin, spoilt in one way: each is a text that no browser sends. */
const spoilt: Record<string, { of: (origin: string) => string; says: RegExp; mended?: boolean }> = {
  'a slash at its end': { of: entry => `${entry}/`, says: /slash at its end/, mended: true },
  'a path': { of: entry => `${entry}/shop`, says: /path or more/, mended: true },
  'a query': { of: entry => `${entry}?a=b`, says: /path or more/, mended: true },
  'a fragment': { of: entry => `${entry}#top`, says: /path or more/, mended: true },
  'a backslash': { of: entry => `${entry}\\x`, says: /path or more/, mended: true },
  'an upper-case host': { of: entry => entry.replace('myshop', 'MyShop'), says: /upper-case/, mended: true },
  'an upper-case scheme': { of: entry => entry.replace(/^http/, 'HTTP'), says: /upper-case/, mended: true },
  'the default port': {
    of: entry => `${entry.replace(/:\d+$/, '')}:${entry.startsWith('https') ? 443 : 80}`,
    says: /the port that http/,
    mended: true
  },
  'a port with zeros': {
    of: entry => `${entry.replace(/:\d+$/, '')}:08443`,
    says: /not written as browsers/,
    mended: true
  },
  'an umlaut': { of: entry => entry.replace('myshop', 'müshop'), says: /punycode/, mended: true },
  'a wide letter': { of: entry => entry.replace('myshop', 'ｍyshop'), says: /punycode/, mended: true },
  'a percent sign': { of: entry => entry.replace('myshop', 'my%73hop'), says: /not written as browsers/, mended: true },
  'a user': { of: entry => entry.replace('://', '://me:pw@'), says: /user or a password/ },
  'no scheme': { of: entry => entry.replace(/^.*:\/\//, ''), says: /no scheme/ },
  'no scheme but slashes': { of: entry => entry.replace(/^[^/]*/, ''), says: /no scheme/ },
  'one slash': { of: entry => entry.replace('://', ':/'), says: /no scheme/ },
  'a misspelt scheme': { of: entry => entry.replace(/^https?/, 'htps'), says: /scheme htps:/ },
  'another scheme': { of: entry => entry.replace(/^https?/, 'wss'), says: /scheme wss:/ },
  'port 0': { of: entry => `${entry.replace(/:\d+$/, '')}:0`, says: /port 0/ },
  'a port too high': { of: entry => `${entry.replace(/:\d+$/, '')}:70000`, says: /not an origin/ },
  'any port': { of: entry => `${entry.replace(/:\d+$/, '')}:*`, says: /elsewhere than for the first label/ },
  'any scheme': { of: entry => entry.replace(/^https?/, '*'), says: /no scheme/ },
  'an empty label': { of: entry => entry.replace('myshop.', 'myshop..'), says: /empty part/ },
  'another between blanks': { of: entry => `${entry} ${entry}`, says: /commas/ },
  'a semicolon': { of: entry => `${entry};${entry}`, says: /commas/ },
  'quotation marks': { of: entry => `"${entry}"`, says: /quotation marks/ },
  'a star within a label': {
    of: entry => entry.replace('myshop', '*shop'),
    says: /elsewhere than for the first label/
  },
  'a star for the last label': {
    of: entry => entry.replace('example', '*'),
    says: /elsewhere than for the first label/
  },
  'two stars': { of: entry => entry.replace('://', '://*.*.'), says: /elsewhere than for the first label/ },
  'a double star': { of: entry => entry.replace('://', '://**.'), says: /elsewhere than for the first label/ }
}

const wild = (entry: string) => entry.replace('://', '://*.')

describe('an entry of ALLOWED_ORIGINS', () => {
  it('that browsers send as it is written is taken', () => {
    fc.assert(
      fc.property(origin, entry => {
        expect([entry, originProblem(entry), originProblem(wild(entry))]).toEqual([entry, undefined, undefined])
        expect(originMatcher([entry])(entry)).toBe(true)
      })
    )
    const others =
      'http://localhost:3000 http://127.0.0.1 https://[::1]:8443 https://xn--bcher-kva.example https://a.vercel.app'
    const apps =
      'capacitor://localhost tauri://localhost chrome-extension://abcdefghijklmnopabcdefghijklmnop http://*.localhost:3000'
    for (const entry of [...others.split(' '), ...apps.split(' ')]) {
      expect([entry, originProblem(entry)]).toEqual([entry, undefined])
    }
  })

  it.each(Object.entries(spoilt))('with %s is refused, with the reason', (_what, { of, says, mended }) => {
    fc.assert(
      fc.property(origin, entry => {
        for (const whole of [entry, wild(entry)]) {
          const problem = originProblem(of(whole))
          expect([of(whole), problem]).toEqual([
            of(whole),
            expect.stringMatching(whole === entry || mended ? says : /./)
          ])
          // What it says to write is right at once.
          const advice = /write (\S+:\/\/\S+)|send (\S+): write/.exec(problem ?? '')
          if (mended) expect(advice).not.toBeNull()
          if (advice !== null) expect(originProblem(advice[1] ?? advice[2] ?? '')).toBeUndefined()
        }
      }),
      { numRuns: 30 }
    )
  })

  it('for all is refused: a bare *, null, a registry, a platform, an IP address', () => {
    const all =
      '* null NULL https://* https://*. https://*.com https://*.co.uk https://*.com.au https://*.vercel.app https://*.github.io'
    const addresses = 'http://*.127.0.0.1 https://*.[::1] http://*.10.1 capacitor://*.localhost https://*.COM'
    for (const entry of [...all.split(' '), ...addresses.split(' ')]) {
      expect([entry, originProblem(entry)]).toEqual([entry, expect.any(String)])
    }
  })

  it('without a scheme is told with one', () => {
    const advised = (entry: string) => originProblem(entry)?.replace(/^has no scheme; write /, '')
    expect(
      ['Shop.example/cart', 'localhost:3000', '//shop.example', 'https:/a.example', '*://a.example', '?'].map(advised)
    ).toEqual([
      'https://shop.example',
      'https://localhost:3000',
      'https://shop.example',
      'https://a.example',
      'https://a.example',
      'https://shop.example'
    ])
  })

  it('stops the start, all of them at once', () => {
    const problemsOf = (env: NodeJS.ProcessEnv) => {
      try {
        loadConfig(env)
      } catch (error) {
        return (error as ConfigError).problems.filter(problem => /ALLOWED_ORIGINS|NEXTAUTH_URL/.test(problem))
      }
    }
    expect(problemsOf({ ALLOWED_ORIGINS: 'https://shop.example/,https://ok.example,*' })).toEqual([
      'ALLOWED_ORIGINS: "*" would let every site in; name your own, such as https://shop.example',
      'ALLOWED_ORIGINS: "https://shop.example/" has a slash at its end; browsers send https://shop.example: write that'
    ])
    expect(problemsOf({ NEXTAUTH_URL: 'https://*.com' })).toEqual([expect.stringContaining('NEXTAUTH_URL: is one URL')])
  })
})

describe('a wildcard', () => {
  it('stands for one label, with its scheme and port, and for nothing else', () => {
    fc.assert(
      fc.property(origin, label, label, (entry, one, other) => {
        const matches = originMatcher([wild(entry)])
        const below = (labels: string) => entry.replace('://', `://${labels}.`)
        expect(matches(below(one))).toBe(true)
        const strangers = [
          entry,
          below(`${one}.${other}`),
          below('*'),
          below(''),
          `${below(one)}.evil.example`,
          `${below(one)}:1`,
          below(one).replace(/^http/, 'xhttp'),
          below(one).replace(/^https?/, text => (text === 'http' ? 'https' : 'http')),
          below(one).replace('.myshop', '-myshop'),
          below(one).replace('.example', 'xexample'),
          `https://evil.example/${below(one)}`,
          `https://evil.example@${below(one)}`,
          below(`${one}\n`),
          below(one).toUpperCase(),
          'null'
        ]
        for (const stranger of strangers) expect([stranger, matches(stranger)]).toEqual([stranger, false])
      })
    )
  })

  let shop: Shop
  beforeAll(async () => {
    shop = await openShop('postgres', { ALLOWED_ORIGINS: 'https://*.shop.example,https://app.other.example:8443' })
  })
  afterAll(() => shop.close())

  it('lets the subdomain’s pages preflight and post with a cookie, each answered with its own origin', async () => {
    const url = `http://127.0.0.1:${shop.stack.api.port}/api/stripe/checkout`
    const secret = shop.stack.config.auth.secret
    const cookie = `tillworks.session-token=${await signSessionToken({ userId: 'ada', email: 'a@b.example' }, secret, 60)}`
    const ask = async (from: string) => {
      const preflight = await fetch(url, {
        method: 'OPTIONS',
        headers: { origin: from, 'Access-Control-Request-Method': 'POST' }
      })
      const post = await fetch(url, {
        method: 'POST',
        body: '{}',
        headers: { origin: from, cookie, 'Content-Type': 'application/json' }
      })
      return [preflight.status, post.status, post.headers.get('access-control-allow-origin'), post.headers.get('vary')]
    }
    for (const own of [
      'https://fr.shop.example',
      'https://xn--bcher-kva.shop.example',
      'https://app.other.example:8443'
    ]) {
      expect([own, await ask(own)]).toEqual([own, [204, 400, own, 'Origin']])
    }
    for (const other of [
      'https://shop.example',
      'https://a.b.shop.example',
      'http://fr.shop.example',
      'https://evilshop.example',
      'null'
    ]) {
      expect([other, await ask(other)]).toEqual([other, [403, 403, null, 'Origin']])
    }
  })
})
