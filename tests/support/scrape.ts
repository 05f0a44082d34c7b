import type { Shop } from './shop.js'

/** What /metrics of a running shop tells, as Prometheus reads it. */
export interface Scrape {
  /** Of one series, by its labels; undefined when there is none. */
  value(name: string, labels?: Record<string, string>): number | undefined
  /** The names of all series: of a histogram with _bucket, _count and _sum. */
  names: Set<string>
  /** The labels of the series of a name. */
  labels(name: string): Record<string, string>[]
  text: string
}

export async function scrape({ stack }: Shop): Promise<Scrape> {
  const authorization = `Basic ${Buffer.from('ops:password of the tests').toString('base64')}`
  const response = await fetch(`http://127.0.0.1:${stack.api.opsPort}/metrics`, { headers: { authorization } })
  if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`)
  return readMetrics(await response.text())
}

interface Series {
  name: string
  labels: Record<string, string>
  value: number
}

export function readMetrics(text: string): Scrape {
  const series = text.split('\n').flatMap(line => readLine(line) ?? [])
  const has = (each: Series, name: string, labels: Record<string, string>) =>
    each.name === name && Object.entries(labels).every(([label, value]) => each.labels[label] === value)
  return {
    text,
    names: new Set(series.map(({ name }) => name)),
    labels: name => series.filter(each => each.name === name).map(({ labels }) => labels),
    value: (name, labels = {}) => series.find(each => has(each, name, labels))?.value
  }
}

function readLine(line: string): Series | undefined {
  const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line)
  if (match === null) return undefined
  const [, name = '', inner = '', value] = match
  const labels = [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [label, text])
  return { name, labels: Object.fromEntries(labels), value: Number(value) }
}
