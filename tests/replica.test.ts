import { eventually } from '../local/eventually.js'
import { type ReplicatedPostgres, startReplicatedPostgres } from '../local/replicated-postgres.js'
import { applyMigrations } from '../prisma/schema-engine.js'
import { BoundedClient, connectBounded } from '../shared/database/bounded-client.js'
import { replica } from '../shared/doctor/checks/replica.js'
import { buy } from './support/purchase.js'
import { administer, openShop, type Shop, withShop } from './support/shop.js'

const PATIENCE = 60_000

let servers: ReplicatedPostgres
beforeAll(async () => {
  servers = await startReplicatedPostgres({ isSynchronous: false })
  await servers.primary.createDatabase('shop')
  await applyMigrations(servers.primary.url('shop'))
})
afterAll(() => servers.stop())

function openWithReplica(replicaUrl: string): Promise<Shop> {
  const env = { DATABASE_REPLICA_URL: replicaUrl, DATABASE_REPLICA_MAX_LAG_SECONDS: '1' }
  return openShop('postgres', env, { database: () => servers.primary.url('shop') })
}

/** Whether late reads are those of the replica. */
async function readsReplica({ stack }: Shop): Promise<boolean> {
  const read = () =>
    stack.services.db.late.read(async pool => (await pool.query('SELECT pg_is_in_recovery() AS it')).rows[0]?.it)
  return (await read()) === true
}

async function diagnosis(shop: Shop) {
  return await replica.run({ config: shop.stack.config } as never)
}

it('a replica that keeps up is read, and never for what a customer asks', async () => {
  await withShop(openWithReplica(servers.standby.url('shop')), async shop => {
    expect(await eventually(() => readsReplica(shop), Boolean, PATIENCE)).toBe(true)
    expect(await diagnosis(shop)).toEqual([{ state: 'fine', text: expect.stringContaining('s behind') }])

    // A customer's own order is never read there.
    await administer(servers.standby.url('postgres'), 'SELECT pg_wal_replay_pause()')
    const customer = await shop.customer('ada')
    const { url, orderId } = await buy(customer, 'stoneware-mug', 1)
    await customer.pay(url)
    await customer.orderBecomes(orderId, 'PAID')
  })
})

it('target_session_attrs tells a standby from a primary', async () => {
  const reach = async ({ url }: { url(database: string): string }, asked: string) => {
    const client = await connectBounded(`${url('shop')}?target_session_attrs=${asked}`, PATIENCE).catch(error => error)
    if (!(client instanceof BoundedClient)) return client.message
    await client.end()
    return 'reached'
  }
  const { primary, standby } = servers
  for (const asked of ['read-only', 'standby', 'prefer-standby', 'any'])
    expect(await reach(standby, asked)).toBe('reached')
  for (const asked of ['read-write', 'primary', 'prefer-standby']) expect(await reach(primary, asked)).toBe('reached')
  for (const asked of ['read-write', 'primary'])
    expect(await reach(standby, asked)).toMatch(/^The server is a standby, not what/)
  for (const asked of ['read-only', 'standby'])
    expect(await reach(primary, asked)).toMatch(/^The server is a primary, not what/)
})

it('a server that is no replica is not taken for one', async () => {
  await withShop(openWithReplica(servers.primary.url('shop')), async shop => {
    expect(await readsReplica(shop)).toBe(false)
    expect(await diagnosis(shop)).toEqual([{ state: 'should', text: expect.stringContaining('no replica') }])
  })
})
