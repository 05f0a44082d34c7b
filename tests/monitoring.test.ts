import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'
import type { Shopper } from '../local/shopper.js'
import { commandsIn, createProgram, pathOf } from '../ops/program.js'
import { allApplied, buy } from './support/purchase.js'
import { type Scrape, scrape } from './support/scrape.js'
import { openShop, type Shop } from './support/shop.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8')

interface AlertRule {
  alert: string
  expr: string
  for?: string
  labels: { severity: string }
  annotations: { summary: string; runbook_url: string }
}

const { groups } = parse(read('monitoring/alerts.yml')) as { groups: { name: string; rules: AlertRule[] }[] }
const rules = groups.flatMap(group => group.rules)

let shop: Shop
let customer: Shopper
let state: Scrape
beforeAll(async () => {
  shop = await openShop('postgres')
  customer = await shop.customer('monitored')
  const { orderId, url } = await buy(customer)
  await customer.pay(url)
  await customer.orderBecomes(orderId, 'PAID')
  await allApplied(shop)
  state = await scrape(shop)
})
afterAll(() => shop.close())

/** What Prometheus adds by itself. */
const PROMETHEUS_OWN = ['up']
/** The test has no such money now (tests/metrics.test.ts has), and no replica. */
const SOMETIMES = [
  'tillworks_next_deadline_timestamp_seconds',
  'tillworks_replica_lag_seconds',
  'tillworks_late_reads_total'
]
const WORDS = new Set(
  'sum max min avg count by without ignoring on and or unless increase rate irate histogram_quantile topk time group_left clamp_min vector'.split(
    ' '
  )
)

interface Selector {
  name: string
  matchers: { label: string; operator: string; value: string }[]
}

/** The series that an expression of PromQL reads. */
function selectorsOf(expr: string): Selector[] {
  const plain = expr.replace(/\b(by|without|ignoring|on)\s*\([^)]*\)/g, ' ').replace(/\[[^\]]*\]/g, ' ')
  return [...plain.matchAll(/([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?|"[^"]*"/g)].flatMap(([, name, inner = '']) => {
    if (name === undefined || WORDS.has(name)) return []
    const matchers = [...inner.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)]
    return [
      { name, matchers: matchers.map(([, label = '', operator = '', value = '']) => ({ label, operator, value })) }
    ]
  })
}

/** Labels that Prometheus gives to all that it reads of a process. */
const OF_TARGETS = ['job', 'instance']

function matches(labels: Record<string, string>, { matchers }: Selector): boolean {
  return matchers.every(({ label, operator, value }) => {
    if (OF_TARGETS.includes(label)) return true
    const own = labels[label] ?? ''
    const equal = operator.endsWith('~') ? new RegExp(`^(?:${value})$`).test(own) : own === value
    return operator.startsWith('!') ? !equal : equal
  })
}

/** Selectors that find nothing in what a running shop tells. */
function missing(expr: string): string[] {
  return selectorsOf(expr.replace(/\$\w+/g, 'x'))
    .filter(({ name }) => !PROMETHEUS_OWN.includes(name) && !SOMETIMES.includes(name))
    .filter(selector => !state.labels(selector.name).some(labels => matches(labels, selector)))
    .map(({ name, matchers }) => `${name}${JSON.stringify(matchers)}`)
}

it('reads the series out of an expression', () => {
  const expr = 'sum by (a) (increase(tillworks_x_total{b="c", d!~"e|f"}[5m])) / ignoring (g) max(tillworks_y) > 0.05'
  expect(selectorsOf(expr).map(({ name, matchers }) => [name, matchers.length])).toEqual([
    ['tillworks_x_total', 2],
    ['tillworks_y', 0]
  ])
  expect(missing('rate(tillworks_no_such_metric[5m])')).toHaveLength(1)
  expect(missing('tillworks_open_alerts{name="no_such_alert"}')).toHaveLength(1)
  expect(missing('tillworks_open_alerts{name=~"no_such_alert|dead_event"}')).toEqual([])
})

describe('an alert', () => {
  it.each(rules.map(rule => [rule.alert, rule] as const))('%s reads what /metrics tells', (_name, { expr }) => {
    expect(missing(expr)).toEqual([])
  })

  it('names only alerts of the application that there are', () => {
    const known = state.labels('tillworks_open_alerts').map(({ name }) => name)
    const named = rules.flatMap(({ expr }) =>
      selectorsOf(expr)
        .filter(({ name }) => name === 'tillworks_open_alerts')
        .flatMap(({ matchers }) => matchers.flatMap(({ value }) => value.split('|')))
    )
    expect(named.filter(name => !known.includes(name))).toEqual([])
  })

  it('has a name and a severity of its own, a sentence and a runbook; there is no other runbook', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const { alert, labels, annotations } of rules) {
      expect([alert, labels.severity]).toEqual([alert, expect.stringMatching(/^(warning|critical)$/)])
      expect(annotations).toEqual({
        summary: expect.stringMatching(/\w.*\.$/),
        runbook_url: `{{ $externalLabels.ops_url }}/ops/runbooks/${alert}`
      })
    }
    expect(readdirSync(`${root}docs/runbooks`).sort()).toEqual(rules.map(({ alert }) => `${alert}.md`).sort())
  })

  it('has a case in alerts.test.yml that fires it, and one that does not', () => {
    const { tests } = parse(read('monitoring/alerts.test.yml')) as {
      tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[]
    }
    const cases = tests.flatMap(each => each.alert_rule_test)
    for (const { alert } of rules) {
      const fires = cases.filter(each => each.alertname === alert).map(each => each.exp_alerts.length > 0)
      expect([alert, fires.includes(true), fires.includes(false)]).toEqual([alert, true, true])
    }
  })
})

describe('a runbook', () => {
  const pages = readdirSync(`${root}docs/runbooks`).map(file => ({ file, text: read(`docs/runbooks/${file}`) }))

  it('says what it means, how to look and what to do', () => {
    for (const { file, text } of pages) {
      expect(text.startsWith(`# ${file.replace('.md', '')}\n`)).toBe(true)
      expect(text.match(/^## .*$/gm)).toEqual(['## What it means', '## How to look', '## What to do'])
    }
  })

  it('names commands and options that there are', () => {
    const commands = new Map(commandsIn(createProgram()).map(command => [pathOf(command), command]))
    for (const { file, text } of pages) {
      for (const [, line = ''] of text.matchAll(/npm run ops -- ([^`]*)`/g)) {
        const [name = '', second = ''] = line.split(' ')
        const command = commands.get(`${name} ${second}`) ?? commands.get(name)
        const options = command?.options.map(({ long }) => long) ?? []
        const wrong = [
          ...(command === undefined || command.commands.length > 0 ? [line] : []),
          ...(line.match(/--[a-z-]+/g) ?? []).filter(option => !options.includes(option))
        ]
        expect([file, line, wrong]).toEqual([file, line, []])
      }
    }
  })

  it('links to pages that there are', () => {
    for (const { file, text } of pages) {
      for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
        const isThere = existsSync(new URL(target, `file://${root}docs/runbooks/`)) || target.startsWith('http')
        expect([file, target, isThere]).toEqual([file, target, true])
      }
    }
  })
})

interface Panel {
  id: number
  type: string
  title: string
  gridPos: { x: number; y: number; w: number; h: number }
  fieldConfig: { defaults: { unit: string } }
  targets: { refId: string; expr: string; datasource: { uid: string } }[]
}

const DASHBOARDS = 'monitoring/grafana/dashboards'
const dashboards = readdirSync(`${root}${DASHBOARDS}`).map(file => ({
  file,
  ...(JSON.parse(read(`${DASHBOARDS}/${file}`)) as { uid: string; title: string; panels: Panel[] })
}))

describe('a dashboard', () => {
  const panels = dashboards.flatMap(each => each.panels.map(panel => ({ ...panel, file: each.file })))

  it('is there for each thing that the requirement names', () => {
    expect(dashboards.map(({ title }) => title).sort()).toEqual([
      'Customers’ success',
      'Errors by type',
      'Fraud',
      'Volume and revenue',
      'Webhook performance'
    ])
    expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(dashboards.length)
  })

  it('asks only for what /metrics tells', () => {
    for (const { file, title, targets } of panels) {
      expect(targets.length).toBeGreaterThan(0)
      expect([file, title, targets.flatMap(({ expr }) => missing(expr))]).toEqual([file, title, []])
    }
  })

  it('shows what every process knows by max, and what each counts by sum', () => {
    const shared = [
      ...state.text.matchAll(/^# HELP (\w+) .*(?:[Ff]rom the (?:database|queue store)|to the database server)/gm)
    ]
    const names = shared.map(([, name]) => name)
    expect(names.length).toBeGreaterThan(6)
    for (const { file, title, targets } of panels) {
      for (const { expr } of targets) {
        for (const [, name] of expr.matchAll(/sum(?: by \([^)]*\))? \((tillworks_\w+)/g))
          expect([file, title, names.includes(name)]).toEqual([file, title, false])
      }
    }
  })

  it('has panels with ids, titles and units of their own, that lie beside each other', () => {
    for (const { file, panels: own } of dashboards) {
      for (const key of ['id', 'title'] as const)
        expect([file, new Set(own.map(panel => panel[key])).size]).toEqual([file, own.length])
      for (const { title, fieldConfig, gridPos } of own) {
        const { unit } = fieldConfig.defaults
        expect([title, unit]).toEqual([title, expect.stringMatching(/^(none|short|s|percentunit|reqps|bytes)$/)])
        expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
      }
      const overlaps = own.filter(({ gridPos: a }, index) =>
        own.slice(index + 1).some(({ gridPos: b }) => {
          return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
        })
      )
      expect([file, overlaps]).toEqual([file, []])
    }
  })

  it('shows each metric of ours somewhere, or an alert does', () => {
    const asked = [
      ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
      ...rules.map(({ expr }) => expr)
    ]
    const own = [...state.text.matchAll(/^# TYPE (tillworks_\w+) /gm)].map(([, name = '']) => name)
    const unseen = own.filter(name => !asked.some(expr => new RegExp(`\\b${name}(_bucket|_count)?\\b`).test(expr)))
    // For whoever looks for the reason of a full disk (docs/runbooks/DiskExhausted.md).
    expect(unseen).toEqual(['tillworks_postgres_database_size_bytes'])
  })
})

describe('docker compose --profile monitoring', () => {
  interface Service {
    image: string
    profiles?: string[]
    ports?: string[]
    volumes?: string[]
    secrets?: string[]
  }
  const compose = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, Service>
    secrets: Record<string, { environment: string }>
    volumes: Record<string, unknown>
  }
  const { prometheus, grafana } = compose.services

  it('starts pinned versions, on loopback alone, and only when it is asked for', () => {
    for (const service of [prometheus, grafana]) {
      expect(service?.profiles).toEqual(['monitoring'])
      expect(service?.image).toMatch(/:v?\d+\.\d+\.\d+$/)
      expect(service?.ports).toEqual([expect.stringMatching(/^127\.0\.0\.1:/)])
      for (const secret of service?.secrets ?? []) expect(compose.secrets[secret]?.environment).toMatch(/PASSWORD$/)
      for (const [source = '', , mode] of (service?.volumes ?? []).map(volume => volume.split(':'))) {
        if (source.startsWith('./')) {
          expect(existsSync(`${root}${source}`)).toBe(true)
          expect(mode).toBe('ro')
        } else expect(compose.volumes).toHaveProperty(source)
      }
    }
  })

  it('asks the processes where they listen, with a login that only looks', () => {
    const { scrape_configs: jobs, rule_files: files } = parse(read('monitoring/prometheus.yml'), { merge: true }) as {
      scrape_configs: {
        job_name: string
        basic_auth: { username: string; password_file: string }
        dns_sd_configs: { names: string[]; port: number }[]
      }[]
      rule_files: string[]
    }
    expect(files).toEqual(['alerts.yml'])
    expect(jobs.map(job => [job.job_name, job.dns_sd_configs[0]?.names, job.dns_sd_configs[0]?.port])).toEqual([
      ['tillworks-api', ['api'], 3001],
      ['tillworks-workers', ['workers'], 3002]
    ])
    for (const { basic_auth: login } of jobs) {
      expect(login.username).toBe('viewer')
      expect(prometheus?.secrets).toContain(login.password_file.replace('/run/secrets/', ''))
    }
    const [source] = (
      parse(read('monitoring/grafana/provisioning/datasources/prometheus.yml')) as { datasources: { uid: string }[] }
    ).datasources
    const uids = readdirSync(`${root}${DASHBOARDS}`).flatMap(file =>
      read(`${DASHBOARDS}/${file}`).match(/"uid": "[^"]*prom[^"]*"/g)
    )
    expect(new Set(uids)).toEqual(new Set([`"uid": "${source?.uid}"`]))
  })
})

const hasPromtool = spawnSync('promtool', ['--version']).error === undefined

// CI installs it (.ci/run).
;(hasPromtool || process.env.CI ? it : it.skip)(
  'fires and is quiet as its cases say (promtool)',
  () => {
    const run = (...args: string[]) => execFileSync('promtool', args, { cwd: root, encoding: 'utf8' })
    expect(run('check', 'rules', 'monitoring/alerts.yml')).toContain(`${rules.length} rules found`)
    expect(run('test', 'rules', 'monitoring/alerts.test.yml')).toContain('SUCCESS')
    // Queries of the dashboards, as rules: promtool then reads their PromQL.
    const queries = dashboards.flatMap(({ panels }) => panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)))
    const asRules = queries.map(expr => ({ record: 'query', expr: expr.replaceAll('$__rate_interval', '5m') }))
    const folder = mkdtempSync(join(tmpdir(), 'queries-'))
    try {
      // Each in a group of its own: two rules of one name are a warning.
      const groups = asRules.map((rule, index) => ({ name: `query-${index}`, rules: [rule] }))
      writeFileSync(join(folder, 'queries.yml'), stringify({ groups }))
      expect(run('check', 'rules', '--lint=none', join(folder, 'queries.yml'))).toContain(
        `${queries.length} rules found`
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
    expect(run('check', 'config', '--syntax-only', 'monitoring/prometheus.yml')).toContain('SUCCESS')
  },
  60_000
)
