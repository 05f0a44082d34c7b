import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import type { Shopper } from '../local/shopper.js'
import { commands } from '../ops/commands.js'
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
/** The database of the test has no such money now: what it looks like when there is some, tests/metrics.test.ts tells. */
const SOMETIMES = ['tillworks_next_deadline_timestamp_seconds']
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
        runbook_url: `docs/runbooks/${alert}.md`
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
    const usages = Object.values(commands).map(command => command?.usage ?? '')
    for (const { file, text } of pages) {
      for (const [, line = ''] of text.matchAll(/npm run ops -- ([^`]*)`/g)) {
        const [name = '', second = ''] = line.split(' ')
        const own = usages.filter(usage => usage.split(' ')[0] === name)
        const isOption = (word: string) => own.some(usage => usage.includes(word))
        const wrong = [
          ...(own.length === 0 ? [name] : []),
          ...(/^[a-z]+$/.test(second) && !isOption(second) ? [second] : []),
          ...(line.match(/--[a-z-]+/g) ?? []).filter(option => !isOption(option))
        ]
        expect([file, line, wrong]).toEqual([file, line, []])
      }
    }
  })

  it('links to pages that there are', () => {
    for (const { file, text } of pages) {
      for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
        expect(() => readFileSync(new URL(target, `file://${root}docs/runbooks/`))).not.toThrow()
      }
    }
  })
})

const hasPromtool = spawnSync('promtool', ['--version']).error === undefined

// CI installs it (.ci/run).
;(hasPromtool || process.env.CI ? it : it.skip)('fires and is quiet as its cases say (promtool)', () => {
  const run = (...args: string[]) => execFileSync('promtool', args, { cwd: root, encoding: 'utf8' })
  expect(run('check', 'rules', 'monitoring/alerts.yml')).toContain(`${rules.length} rules found`)
  expect(run('test', 'rules', 'monitoring/alerts.test.yml')).toContain('SUCCESS')
})
