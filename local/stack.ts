import type { Router } from 'express'
import { type RunningApi, startApi } from '../api/start.js'
import { seedCatalogue } from '../prisma/catalogue.js'
import { applyMigrations } from '../prisma/schema-engine.js'
import { setAuditPolicy } from '../shared/audit/audit-policy.js'
import { readBasePath } from '../shared/config/base-path.js'
import { type Config, loadConfig } from '../shared/config/config.js'
import { SECOND } from '../shared/duration.js'
import type { Logger } from '../shared/logger.js'
import { directAccess } from '../shared/runtime/pooling.js'
import { openServices, type Services } from '../shared/runtime/services.js'
import type { ShutdownPhase } from '../shared/runtime/shutdown.js'
import { type Simulator, type SimulatorOptions, startSimulator } from '../simulator/start.js'
import { startWorkers } from '../workers/start.js'

/** Ingress, workers and Stripe simulator in one process. */
export interface Stack {
  config: Config
  services: Services
  api: RunningApi
  /** Undefined when a real Stripe key is set. */
  simulator: Simulator | undefined
  /** The settings that everything was started with, for another process on the same stores. */
  env: NodeJS.ProcessEnv
  stopWorkers(): Promise<void>
  /** In the order of an orderly end. */
  shutdown: ShutdownPhase[]
}

export interface StackOptions {
  /** Settings; what is missing for Stripe and the URLs is filled in for the simulator. */
  env: NodeJS.ProcessEnv
  port: number
  pages?: Router
  simulator?: Partial<SimulatorOptions>
  log?: Logger
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const { port } = options
  const prefix = readBasePath(options.env.BASE_PATH)
  const base = `http://localhost:${port}`
  const env: NodeJS.ProcessEnv = {
    PAYMENT_SUCCESS_URL: `${base}${prefix}/checkout/success`,
    PAYMENT_CANCEL_URL: `${base}${prefix}/checkout/cancelled`,
    ...options.env,
    PORT: String(port),
    ALLOWED_ORIGINS: [base, `http://127.0.0.1:${port}`, options.env.ALLOWED_ORIGINS].filter(Boolean).join(',')
  }
  const secret = env.STRIPE_WEBHOOK_SECRET?.split(',')[0]?.trim()
  const simulator =
    env.STRIPE_SECRET_KEY !== undefined && env.STRIPE_API_BASE === undefined
      ? undefined
      : await startSimulator({
          port: 0,
          ...(secret === undefined
            ? {}
            : { endpoint: { url: `http://127.0.0.1:${port}${prefix}/api/stripe/webhook`, secret } }),
          ...options.simulator
        })
  if (simulator !== undefined) {
    env.STRIPE_SECRET_KEY ??= 'sk_test_tillworks_demo'
    env.STRIPE_API_BASE = simulator.url
  }
  try {
    const config = loadConfig(env)
    const database = directAccess(config.database)
    await applyMigrations(database, { isRoleDispensable: config.database.role === undefined })
    await setAuditPolicy(database, config.retention)
    const services = await openServices(config, { name: 'tillworks', log: options.log, isServer: true })
    await seedCatalogue(services.db, config.catalogue.productIdFormat)
    const workers = await startWorkers(services)
    const api = await startApi(services, port, { pages: options.pages })
    const shutdown: ShutdownPhase[] = [
      { name: 'tell balancers', capMs: config.shutdownDelayMs + SECOND, run: () => api.drain() },
      { name: 'finish requests', capMs: 3 * SECOND, run: () => api.stopAccepting() },
      { name: 'stop the simulator', capMs: 3 * SECOND, run: () => simulator?.close() },
      { name: 'finish jobs', capMs: 5 * SECOND, run: () => workers.stop() },
      { name: 'close connections', capMs: 3 * SECOND, run: () => api.close() },
      { name: 'close queues', capMs: 3 * SECOND, run: () => services.queues.close() },
      { name: 'close database', capMs: 3 * SECOND, run: () => services.db.close() },
      services.telemetry
    ]
    return { config, services, api, simulator, env, stopWorkers: () => workers.stop(), shutdown }
  } catch (error) {
    await simulator?.close()
    throw error
  }
}
