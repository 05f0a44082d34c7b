import '../shared/runtime/metrics.js'
import { registry } from '../shared/metrics/registry.js'

interface Described {
  name: string
  help: string
  type: unknown
  labelNames?: readonly string[]
}

/** docs/metrics.md */
export function metricsPage(): string {
  const metrics = (registry.getMetricsAsArray() as unknown as Described[]).filter(({ name }) =>
    name.startsWith('tillworks_')
  )
  return [
    '# Metrics',
    '',
    'Generated from the registry (`shared/metrics/`) by `npm run docs:metrics`; a test fails when it is stale.',
    '',
    '`GET /metrics` on the operators’ port (`OPS_PORT`) and on that of workers that run apart (`WORKERS_PORT`), in Prometheus’ text format, for every login of operators. Counters and histograms are of the process that',
    'is asked, and begin at zero with it: `sum(increase(…))` over all. What says “from the database” or “from the queue store” is the same at every process: `max(…)`, never `sum`. Times are in seconds, sizes in bytes, money in',
    'the major unit of its currency. A label takes few, known values: no id, path, message or customer is one.',
    '',
    'Beside these are those of Node.js (`process_…`, `nodejs_…`): `nodejs_eventloop_lag_p99_seconds` tells of a process that does not come round. There are no exemplars: a log line is found by its request id.',
    '',
    '| metric | kind | labels | what |',
    '|---|---|---|---|',
    ...metrics.sort((a, b) => (a.name < b.name ? -1 : 1)).map(row),
    '',
    'Alerts and dashboards of these: [operations](operations.md#alerts-and-dashboards).',
    ''
  ].join('\n')
}

function row({ name, help, type, labelNames = [] }: Described): string {
  return `| \`${name}\` | ${type} | ${labelNames.map(label => `\`${label}\``).join(', ')} | ${help} |`
}
