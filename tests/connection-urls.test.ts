import fc from 'fast-check'
import { loadConfig } from '../shared/config/config.js'
import { accessConfig } from '../shared/database/access.js'
import { BoundedClient } from '../shared/database/bounded-client.js'
import { readConnectionUrl } from '../shared/database/connection-url.js'

const base = 'postgresql://shop:secret@db.example:6432/tillworks'

it.each([
  ['', {}],
  ['?schema=public', {}],
  ['?sslmode=require', { tls: { mode: 'require' } }],
  ['?sslmode=verify-full', { tls: { mode: 'verify-full' } }],
  ['?sslmode=verify-full&sslrootcert=system', { tls: { mode: 'verify-full' } }],
  ['?sslmode=disable', {}],
  ['?ssl=true&channel_binding=require', { channelBinding: 'require' }],
  ['?connect_timeout=10&application_name=shop', { connectTimeoutMs: 10_000, applicationName: 'shop' }],
  ['?pgbouncer=true&connection_limit=5&pool_timeout=20', { isTransactionPooler: true, poolSize: 5 }],
  ['?target_session_attrs=read-write', { sessionAttributes: 'read-write' }],
  ['?hostaddr=192.0.2.1', { host: 'db.example', hostAddress: '192.0.2.1' }],
  ['?options=-c%20work_mem%3D8MB', { options: { settings: { work_mem: '8MB' }, routing: [] } }],
  ['?host=/var/run/postgresql', { host: '/var/run/postgresql' }]
])('a URL ending in "%s" counts', (query, expected) => {
  const { url, problems } = readConnectionUrl(base + query)
  expect([problems, url]).toEqual([[], expect.objectContaining({ user: 'shop', database: 'tillworks', ...expected })])
})

it.each([
  ['?schema=other', 'schema'],
  ['?options=-c%20role%3Dpostgres', 'role'],
  ['?options=-c%20search_path%3Delsewhere', 'search_path'],
  ['?options=-c%20statement_timeout%3D0', 'statement_timeout'],
  ['?role=postgres', 'role'],
  ['?statement_timeout=0', 'statement_timeout'],
  ['?sslmode=prefer', 'sslmode'],
  ['?sslmode=sometimes', 'sslmode'],
  ['?target_session_attrs=read-only', 'target_session_attrs'],
  ['?nonsense=1', 'nonsense'],
  ['?sslmode=require&sslmode=disable', 'twice'],
  ['?connect_timeout=0', 'connect_timeout'],
  ['?options=-c+work_mem=8MB', '%20'],
  ['?hostaddr=192.0.2.1,192.0.2.2', 'one IP address'],
  ['?hostaddr=other.example', 'one IP address'],
  ['?host=one.example,two.example', 'several hosts'],
  ['?port=5432,5433', 'several hosts'],
  ['?load_balance_hosts=random', 'load_balance_hosts'],
  ['?client_encoding=LATIN1', 'client_encoding']
])('a URL ending in "%s" is refused in words', (query, word) => {
  const { url, problems } = readConnectionUrl(base + query)
  expect([url, problems.join()]).toEqual([undefined, expect.stringContaining(word)])
  expect(problems.join()).not.toContain('secret')
})

it('several hosts are refused, with what to name instead', () => {
  const { problems } = readConnectionUrl('postgresql://shop:secret@one.example,two.example:5433/tillworks')
  expect(problems.join()).toMatch(/several hosts.*writer endpoint/)
})

it('what was looked at at the start is taken for any connection, also one that has to be the primary', () => {
  for (const query of ['?target_session_attrs=primary', '?target_session_attrs=standby', '?pgbouncer=true'])
    expect(accessConfig({ url: base + query }, 'test')).toMatchObject({ host: 'db.example', database: 'tillworks' })
})

it('nothing of the environment is taken that other programs use', async () => {
  const others = {
    PGUSER: 'x',
    PGDATABASE: 'x',
    PGPASSWORD: 'x',
    PGOPTIONS: '-c role=x',
    PGSSLNEGOTIATION: 'direct',
    PGREPLICATION: 'true'
  }
  const before = { ...process.env }
  Object.assign(process.env, others)
  try {
    const { connectionParameters: taken } = new BoundedClient(
      accessConfig({ url: 'postgresql://shop@db.example' }, 'test')
    ) as unknown as {
      connectionParameters: Record<string, unknown>
    }
    expect(taken).toMatchObject({ user: 'shop', database: 'shop', sslnegotiation: 'postgres' })
    expect([taken.options, taken.replication, typeof taken.password]).toEqual([undefined, undefined, 'function'])
  } finally {
    for (const name of Object.keys(others)) delete process.env[name]
    Object.assign(process.env, before)
  }
})

it('any user, password and database arrive as they are, when they are written as a URL wants', () => {
  const word = fc
    .string({ minLength: 1, maxLength: 30, unit: 'binary' })
    .filter(text => !/[\ud800-\udfff\0]/.test(text))
  fc.assert(
    fc.property(word, word, word, fc.constantFrom('postgres', 'postgresql'), (user, password, name, scheme) => {
      const [u, p, n] = [user, password, name].map(encodeURIComponent)
      const { url, problems } = readConnectionUrl(`${scheme}://${u}:${p}@[::1]:5432/${n}`)
      expect([problems, url]).toEqual([
        [],
        expect.objectContaining({ user, password, database: name, host: '::1', port: 5432 })
      ])
    })
  )
})

it('no parameter that is unknown passes, whatever it is called', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z_]{3,20}$/), fc.string({ maxLength: 20 }), (name, value) => {
      const { url, problems } = readConnectionUrl(`${base}?x_${name}=${encodeURIComponent(value)}`)
      expect([url, problems.join()]).toEqual([undefined, expect.stringContaining(`x_${name}`)])
    })
  )
})

it('a password in the URL and one in a file are one too many, and a file that is not there is named', () => {
  const problems = (env: Record<string, string>) => {
    try {
      loadConfig({ DATABASE_URL: base, ...env })
      return ''
    } catch (error) {
      return String(error)
    }
  }
  expect(problems({ DATABASE_PASSWORD_FILE: import.meta.filename ?? 'tests/run.ts' })).toMatch(
    /DATABASE_PASSWORD_FILE: is set although/
  )
  expect(problems({ DATABASE_CA_FILE: '/no/such/file.pem' })).toMatch(/DATABASE_CA_FILE: .*cannot be read \(ENOENT\)/)
})
