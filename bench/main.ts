// npm run bench -- [--only NAME] [--engine redis|postgres] [--against FOLDER] [--json FILE] [--html FILE] [--smoke]
import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { messageOf } from '../shared/errors.js'
import { ack } from './measures/ack.js'
import { checkout } from './measures/checkout.js'
import { cost } from './measures/cost.js'
import { distance } from './measures/distance.js'
import { growth } from './measures/growth.js'
import type { Measure, Plan, Report } from './measures/measure.js'
import { scale } from './measures/scale.js'
import { settle } from './measures/settle.js'
import { htmlOf } from './report/html.js'
import { tableOf } from './report/table.js'
import { type Engine, engines, startStores } from './stores.js'

const measures = { ack, checkout, settle, distance, growth, scale, cost } satisfies Record<string, Measure>
type Name = keyof typeof measures

interface Options {
  only?: Name
  engine: Engine
  against: string[]
  rounds: number
  seconds: number
  grown: number
  json?: string
  html?: string
  smoke?: boolean
}

const SMOKE = { rounds: 1, seconds: 1, grown: 20_000 }

const program = new Command('bench')
  .description('Measures the production build (npm run build) on stores of its own. See bench/README.md.')
  .addOption(new Option('--only <name>', 'one of the measures').choices(Object.keys(measures)))
  .addOption(new Option('--engine <engine>', 'where the queue is').choices([...engines]).default('redis'))
  .option('--against <folder...>', 'other builds of Tillworks, measured in the same run', [])
  .option('--rounds <count>', 'of each contestant, interleaved', whole, 3)
  .option('--seconds <seconds>', 'of one load', whole, 6)
  .option('--grown <events>', 'of the larger database of growth', whole, 2_000_000)
  .option('--json <file>', 'writes the figures')
  .option('--html <file>', 'writes a page with charts')
  .option('--smoke', 'short: only that it runs')
  .parse()

try {
  await bench(program.opts<Options>())
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
  process.exitCode = 1
}

async function bench({
  only,
  engine,
  against,
  rounds,
  seconds,
  grown,
  json,
  html,
  smoke = false
}: Options): Promise<void> {
  const names = only === undefined ? (Object.keys(measures) as Name[]) : [only]
  const progress = (line: string) => process.stderr.write(`${line}\n`)
  const plan: Plan = { rounds, seconds, grown, ...(smoke && SMOKE), smoke, against, progress }
  const reports: Record<string, Report> = {}
  for (const name of names) {
    progress(`── ${name}, on ${engine}`)
    const stores = await startStores(engine)
    try {
      reports[name] = await measures[name](stores, plan)
    } finally {
      await stores.stop()
    }
  }
  for (const [name, report] of Object.entries(reports)) process.stdout.write(`\n${tableOf(name, report)}\n`)
  const apart = Object.values(reports).flatMap(({ notes }) => notes.filter(note => note.endsWith('apart')))
  if (apart.length > 0 && !smoke) throw new Error(`Not reported, the machine was too busy: ${apart.join('; ')}`)
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(reports, null, 2)}\n`)
  if (html !== undefined) writeFileSync(html, htmlOf(reports))
}

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${text} is not a whole number from 1 on`)
  return value
}
