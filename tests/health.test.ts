import { spawnSync } from 'node:child_process'
import { Worker } from 'bullmq'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { startMetricsListener } from '../workers/metrics-listener.js'
import { startWorkers } from '../workers/start.js'
import { asOwner, openShop, withShop } from './support/shop.js'

describe('readiness and health', () => {
  it('is ready while the pool is busy, and takes no connection from it when the database does not answer', async () => {
    await withShop(openShop('postgres', { DATABASE_POOL_SIZE: '2' }), async shop => {
      const { pool } = shop.stack.services.db
      const customer = await shop.customer('ada')
      const ready = async () => (await customer.request('/readyz')).status
      await shop.stack.stopWorkers()
      const held = await Promise.all([pool.connect(), pool.connect()])
      expect(await ready()).toBe(200)
      for (const client of held) client.release()
      const lock = asOwner(shop, 'BEGIN; LOCK TABLE "_prisma_migrations"; SELECT pg_sleep(4); COMMIT')
      expect(await eventually(ready, status => status === 503)).toBe(503)
      expect(pool.totalCount).toBe(2)
      await lock
      expect(await eventually(ready, status => status === 200)).toBe(200)
    })
  })

  it('is ready with the schema, not without', async () => {
    await withShop(openShop('postgres'), async shop => {
      const ask = async () => {
        const answer = await (await shop.customer('ada')).request('/readyz')
        return [answer.status, ((await answer.json()) as { status: string }).status]
      }
      expect(await ask()).toEqual([200, 'ready'])
      await asOwner(
        shop,
        `DELETE FROM "_prisma_migrations" WHERE "migration_name" = (SELECT max("migration_name") FROM "_prisma_migrations")`
      )
      expect(await eventually(ask, ([status]) => status === 503)).toEqual([503, 'not ready'])
    })
  })

  it('names a worker that has stopped, and a timer of the schedules that has', async () => {
    const shop = await openShop('postgres')
    // BullMQ's own worker, which nobody but BullMQ closes.
    const running: Worker[] = []
    const { run } = Worker.prototype
    Worker.prototype.run = function (this: Worker) {
      running.push(this)
      return run.call(this)
    }
    let later = 0
    const { services } = shop.stack
    const ended: string[] = []
    await shop.stack.stopWorkers()
    const now = () => new Date(Date.now() + later)
    const workers = await startWorkers({ ...services, now }, reason => ended.push(reason))
    const ops = { ...services.config.ops, workersPort: await freePort() }
    const listener = await startMetricsListener({ ...services, config: { ...services.config, ops } }, workers)
    const health = async () => {
      const answer = await fetch(`http://127.0.0.1:${listener?.port}/healthz`)
      return { status: answer.status, body: (await answer.json()) as { status: string; troubles?: string[] } }
    }
    try {
      expect(await health()).toEqual({ status: 200, body: { status: 'ok' } })
      later = 10 * 60_000
      expect(await health()).toEqual({
        status: 503,
        body: { status: 'failing', troubles: [expect.stringContaining('the timer of the schedules has not run since')] }
      })
      later = 0
      const [first] = running
      await first?.close()
      const failing = await eventually(health, ({ status }) => status === 503)
      const troubles = [`the worker of ${first?.name} has stopped: its loop has ended`]
      expect(failing).toEqual({ status: 503, body: { status: 'failing', troubles } })
      expect(ended).toEqual(troubles)
    } finally {
      Worker.prototype.run = run
      await listener?.close()
      await workers.stop()
      await shop.close()
    }
  })

  it('ends the process of such a worker in order, with exit code 1', () => {
    const program = `
      import { shutdownOnSignal } from './shared/runtime/shutdown.js'
      const log = { info: () => undefined, warn: () => undefined }
      const finish = { name: 'finish jobs', capMs: 1000, run: () => console.log('the jobs are finished') }
      const leave = shutdownOnSignal([finish], log)
      leave('the worker of sweep has stopped')
      setInterval(() => undefined, 1000)`
    const args = ['--import', 'tsx', '--input-type=module', '--eval', program]
    const { status, stdout } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      timeout: 30_000,
      env: { ...process.env, NODE_OPTIONS: '' }
    })
    expect([status, stdout]).toEqual([1, 'the jobs are finished\n'])
  })
})
