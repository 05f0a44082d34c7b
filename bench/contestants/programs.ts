import pg from 'pg'
import { freePort } from '../../local/free-port.js'
import { projectRoot } from '../../shared/project-root.js'
import { WEBHOOK_SECRET } from '../load/deliveries.js'
import { type Server, startServer } from '../processes.js'
import type { Stores } from '../stores.js'
import { migrate } from '../tillworks.js'

export async function startFloor(): Promise<Server> {
  return await startContestant('floor', {})
}

export async function startInline(stores: Stores): Promise<Server> {
  return await startContestant('inline', { DATABASE_URL: await tablesWithoutChain(stores, 'inline') })
}

export async function startBareIngress(env: Record<string, string>, port: number): Promise<Server> {
  return await startContestant('bullmq-ingress', env, port)
}

export async function startBareWorker(env: Record<string, string>): Promise<Server> {
  return await startContestant('bullmq-worker', env)
}

/** Makes a database with our tables, without the triggers of our audit trail. Returns its URL. */
export async function tablesWithoutChain(stores: Stores, name: string): Promise<string> {
  const url = await stores.databaseUrl(name)
  await migrate(projectRoot, url)
  const client = new pg.Client(url)
  await client.connect()
  await client.query('ALTER TABLE "PaymentAuditLog" DISABLE TRIGGER USER')
  await client.end()
  return url
}

async function startContestant(name: string, env: Record<string, string>, given?: number): Promise<Server> {
  const port = given ?? (await freePort())
  return await startServer({
    args: ['--import', 'tsx', `bench/contestants/${name}.ts`],
    cwd: projectRoot,
    env: { NODE_ENV: 'bench', PORT: String(port), STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET, ...env },
    port,
    readyPath: '/readyz'
  })
}
