// npm run drill:failover -- --redis|--postgres [--short]: kills primaries under load and prints what it cost.
import { parseArgs } from 'node:util'
import { SECOND } from '../../shared/duration.js'
import { type AddressMoves, drillPostgres, type Engine } from './postgres-failover.js'
import { drillRedis } from './redis-failover.js'

const { values } = parseArgs({
  options: { redis: { type: 'boolean' }, postgres: { type: 'boolean' }, short: { type: 'boolean' } }
})
if (values.redis === values.postgres) {
  process.stderr.write('Say what is to fail: npm run drill:failover -- --redis, or --postgres\n')
  process.exit(2)
}
process.exit((values.redis ? await redisHolds() : await postgresHolds()) ? 0 : 1)

async function redisHolds(): Promise<boolean> {
  const figures = await drillRedis((values.short ? 6 : 30) * SECOND)
  for (const { form, refused, ...rest } of figures) {
    process.stdout.write(`Redis, ${form}: ${JSON.stringify({ ...rest, refused })}\n`)
  }
  return figures.every(({ acknowledged, lost }) => lost === 0 && acknowledged > 0)
}

/** Short: each engine once, and what no job was made for is looked for at once and not after half a minute. */
async function postgresHolds(): Promise<boolean> {
  const every: [Engine, AddressMoves][] = [
    ['postgres', 'before the promotion'],
    ['redis', 'after the promotion'],
    ['postgres', 'after the promotion'],
    ['redis', 'before the promotion']
  ]
  const soon = { SWEEP_AFTER_SECONDS: '3', SWEEP_EVERY_SECONDS: '3' }
  let holds = true
  for (const [engine, address] of values.short ? every.slice(0, 2) : every) {
    const options = values.short ? { loadMs: 6 * SECOND, env: soon } : { loadMs: 30 * SECOND, env: {} }
    const { lost, acknowledged, ...figures } = await drillPostgres(engine, address, options)
    process.stdout.write(`PostgreSQL: ${JSON.stringify({ ...figures, acknowledged, lost: lost.length })}\n`)
    for (const what of lost) process.stdout.write(`LOST: ${what}\n`)
    holds &&= lost.length === 0 && acknowledged.checkouts > 0 && acknowledged.events > 0
  }
  return holds
}
