import pg from 'pg'
import { createLogger } from '../../shared/logger.js'
import { freePort } from '../free-port.js'
import { createShopper, type Shopper } from '../shopper.js'
import { type Stack, startStack } from '../stack.js'

const AUTH_SECRET = 'a secret for drills of at least thirty-two characters'
export const DRILL_WEBHOOK_SECRET = 'whsec_of_the_drill'

/** A shop with the default settings, but for what would stop one customer who buys all the time, and with more than a drill buys. */
export async function openDrillShop(databaseUrl: string, env: NodeJS.ProcessEnv): Promise<Stack> {
  const stack = await startStack({
    port: await freePort(),
    log: createLogger({ level: process.env.LOG_LEVEL ?? 'silent', production: true, name: 'drill' }),
    env: {
      DATABASE_URL: databaseUrl,
      AUTH_SECRET,
      OPS_PASSWORD: 'password of the drill',
      OPS_PORT: '0',
      STRIPE_WEBHOOK_SECRET: DRILL_WEBHOOK_SECRET,
      FRAUD_CHECK_ENABLED: 'false',
      RESERVATION_MAX_OPEN: '1000',
      RATE_LIMIT_PER_IP: '0',
      RATE_LIMIT_PER_USER: '0',
      ...env
    }
  })
  await fillShelves(databaseUrl)
  return stack
}

export async function drillShopper(stack: Stack): Promise<Shopper> {
  return await createShopper({
    port: stack.api.port,
    authSecret: AUTH_SECRET,
    userId: 'ada',
    email: 'ada@shop.example'
  })
}

async function fillShelves(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query('UPDATE "Product" SET "stock" = 100000')
  } finally {
    await client.end()
  }
}
