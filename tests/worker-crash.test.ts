import { eventually } from '../local/eventually.js'
import { data, lineOf } from '../local/shopper.js'
import { sessionCreation } from '../workers/session-creation.js'
import { engines, openShop, withShop } from './support/shop.js'
import { killWorkers, spawnWorkers } from './support/worker-process.js'

afterAll(killWorkers)

it.each(engines)(
  'makes one Session when a worker is killed between Stripe’s answer and the commit, on %s',
  async engine => {
    await withShop(openShop(engine), async shop => {
      const { simulator } = shop
      const { services } = shop.stack
      const customer = await shop.customer('crash')
      const sessions = () => simulator.record.sessions()
      // Our own workers sleep; the process that will be killed does the work, and Stripe takes three seconds to answer.
      await shop.stack.stopWorkers()
      const workers = spawnWorkers(shop.stack.env)
      simulator.faults.set({ latencyAfterEffectMs: 3_000 })
      const accepted = data(
        await customer.checkout(
          { items: [lineOf(await customer.product('olive-tree'), 1)] },
          { Prefer: 'respond-async' }
        )
      )
      await eventually(
        async () => sessions().length,
        count => count === 1
      )
      workers.kill('SIGKILL')
      expect((await services.db.prisma.checkout.findUniqueOrThrow({ where: { id: accepted.checkoutId } })).status).toBe(
        'VERIFIED'
      )

      // What the queue will do once the dead worker's lock has run out, done now.
      simulator.faults.set({})
      await sessionCreation.handle(
        services,
        { checkoutId: accepted.checkoutId },
        { id: accepted.checkoutId, attempt: 2, isLastAttempt: false }
      )
      const open = await customer.checkoutBecomes(accepted.checkoutId, 'OPEN')
      expect(sessions().map(session => session.id)).toEqual([open.sessionId])
      expect((await customer.product('olive-tree')).stock).toBe(7)
    })
  }
)
