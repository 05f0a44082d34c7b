import {
  assertSchemaCompatibility,
  createPostgresBackend,
  LATEST_SCHEMA_VERSION,
  type Processor,
  type Queue,
  runMigrations,
  SchemaMigrationRequiredError,
  UnrecoverableError,
  type Worker,
  withBackend
} from 'bullmq'
import type pg from 'pg'
import type { Config } from '../config/config.js'
import { type Access, accessConfig } from '../database/access.js'
import { allowAnswers } from '../database/bounded-client.js'
import { createPool, probeHeldConnections } from '../database/postgres-pool.js'
import { MINUTE, SECOND } from '../duration.js'
import { messageOf, TerminalError } from '../errors.js'
import { maskText } from '../identity/masking.js'
import type { Logger } from '../logger.js'
import { countTry, type JobOutcome } from '../metrics/jobs.js'
import { lookIn } from '../statements/server-state.js'
import { isTracing } from '../tracing.js'
import { withinTime } from '../within-time.js'
import { createBatcher } from './batcher.js'
import { gatherEvents, type StoredEvent } from './gathered-events.js'
import { telemetry, withOwnTrace } from './job-traces.js'
import { type JobName, type JobPayloads, jobNames, type RowJobName, rowJob } from './jobs.js'
import { QUEUE_SCHEMA } from './queue-schema.js'
import { redisConsumer, redisProducer } from './redis-engine.js'

/** The queues as producers see them, the same on Redis and on PostgreSQL. */
export interface Queues {
  /**
   * Enqueues the job of a row. Concurrent callers share one bulk call. Throws within two seconds when the store is away;
   * nothing is lost then, since the sweep enqueues what the rows say is due.
   */
  enqueue(name: RowJobName, id: string): Promise<void>
  /**
   * As enqueue(), for rows that the sweep finds too: while the store is away it logs and returns false. `again` also
   * replaces an ended job of the same id that is still kept.
   */
  offer(name: RowJobName, id: string, options?: { again?: boolean }): Promise<boolean>
  /**
   * As offer(), for an event that was stored a moment ago: those that are stored at the same time can share a job. Only the
   * process that has stored an event calls it, and once.
   */
  offerStored(event: StoredEvent): Promise<void>
  /** When the job that is the next one to be taken was made. Undefined when none waits. */
  nextSince(name: JobName): Promise<Date | undefined>
  /** Enqueues the job of a row even when an ended job of the same id is still kept. False when it is already waiting. */
  enqueueAgain(name: RowJobName, id: string): Promise<boolean>
  /** Whether a worker has the job of this row in its hands. */
  isActive(name: RowJobName, id: string): Promise<boolean>
  /** Creates or restores a repeating job. */
  schedule(name: JobName, repeat: { every: number } | { pattern: string }): Promise<void>
  /** What an earlier start has scheduled and no setting asks for any more. */
  unschedule(name: JobName): Promise<void>
  /** Throws when the store does not answer within two seconds. */
  ping(): Promise<void>
  /** For Bull Board. */
  all: Queue[]
  close(): Promise<void>
}

export interface Workers {
  start<N extends JobName>(
    name: N,
    handler: (payload: JobPayloads[N], job: JobContext) => Promise<void>,
    options: WorkerTuning
  ): Promise<void>
  /** The workers that take no jobs any more although nobody has closed them, each with the reason. */
  ended(): string[]
  /** Lets running jobs finish. */
  close(): Promise<void>
}

export interface JobContext {
  id: string
  /** 1 for the first try. */
  attempt: number
  isLastAttempt: boolean
}

export interface WorkerTuning {
  concurrency: number
  /** How long a try may take, in milliseconds. One that hangs would keep its job for as long as the process lives. */
  timeLimitMs: number
  /** A try has failed, in whatever way: its handler threw, it took too long, or its worker was killed. */
  onFailed?(error: Error): void
}

type WorkerOptions = { concurrency: number; autorun: boolean } & typeof TAKE_OVER

type QueueConfig = Config['queue'] & { database: Access }

const ANSWER_TIMEOUT_MS = 2 * SECOND
const START_TIMEOUT_MS = 20 * SECOND
/** Of one statement of BullMQ's on PostgreSQL: all are short, and what it waits for comes as a notification. */
const STATEMENT_WITHIN = { producer: 5 * SECOND, worker: 10 * SECOND }
const MIGRATION_TIMEOUT_MS = 10 * MINUTE
const MAX_BATCH = 500
/**
 * How long the jobs of a killed worker wait until another one takes them. A worker that is only slow may lose a job, which
 * is then done twice: rows decide, so that this changes nothing.
 */
const TAKE_OVER = { lockDuration: 15 * SECOND, stalledInterval: 5 * SECOND }

export async function openQueues(config: QueueConfig, log: Logger): Promise<Queues> {
  const engine =
    config.redis === undefined
      ? await postgresProducer(config, log)
      : await redisProducer({ ...config, redis: config.redis }, log)
  const queues = new Map<JobName, Queue>(jobNames.map(name => [name, engine.queue(name)]))
  for (const queue of queues.values())
    queue.on('error', error => log.warn({ err: error }, 'the queue store does not answer'))
  try {
    await Promise.all([...queues.values()].map(queue => engine.ready(queue)))
  } catch (error) {
    await engine.close()
    throw error
  }
  const get = (name: JobName): Queue => queues.get(name) as Queue

  const adders = new Map(
    jobNames.map(name => [
      name,
      createBatcher(async (jobs: ReturnType<typeof rowJob>[]) => await answered(get(name).addBulk(jobs), 'addBulk'), {
        maxBatch: MAX_BATCH,
        maxConcurrent: 2
      })
    ])
  )

  const addStored = createBatcher(
    async (events: StoredEvent[]) => {
      await answered(get('webhook-processing').addBulk(gatherEvents(events)), 'addBulk')
      return []
    },
    { maxBatch: MAX_BATCH, maxConcurrent: 2 }
  )

  const enqueue: Queues['enqueue'] = async (name, id) => {
    await adders.get(name)?.(withOwnTrace(rowJob(name, id)))
  }
  const enqueueAgain: Queues['enqueueAgain'] = async (name, id) => {
    const queue = get(name)
    const existing = await answered(queue.getJob(id), 'getJob')
    if (existing !== undefined) {
      const state = await answered(existing.getState(), 'getState')
      if (state !== 'completed' && state !== 'failed') return false
      await answered(existing.remove(), 'remove')
    }
    await answered(queue.addBulk([rowJob(name, id)]), 'addBulk')
    return true
  }

  const offered = async (name: JobName, id: string, adding: Promise<unknown>): Promise<boolean> => {
    try {
      await adding
      return true
    } catch (error) {
      log.warn(
        { queue: name, jobId: id, reason: messageOf(error) },
        'a job was not enqueued; the sweep will enqueue it'
      )
      return false
    }
  }
  const offer: Queues['offer'] = (name, id, { again = false } = {}) =>
    offered(name, id, again ? enqueueAgain(name, id) : enqueue(name, id))

  return {
    enqueue,
    enqueueAgain,
    offer,
    async offerStored(event) {
      // A trace leads through a job of its own.
      if (isTracing()) await offer('webhook-processing', event.id)
      else await offered('webhook-processing', event.id, addStored(event))
    },
    async nextSince(name) {
      const [next] = await answered(get(name).getWaiting(0, 0), 'getWaiting')
      return next && new Date(next.timestamp)
    },
    async isActive(name, id) {
      const job = await answered(get(name).getJob(id), 'getJob')
      return job !== undefined && (await answered(job.isActive(), 'isActive'))
    },
    async schedule(name, repeat) {
      const template = { name, data: {}, opts: { removeOnComplete: 100, removeOnFail: 500 } }
      // Of all processes together: a run that takes longer than its interval has the next one wait.
      await answered(get(name).setGlobalConcurrency(1), 'setGlobalConcurrency')
      await answered(get(name).upsertJobScheduler(name, repeat, template), 'upsertJobScheduler')
    },
    async unschedule(name) {
      await answered(get(name).removeJobScheduler(name), 'removeJobScheduler')
    },
    async ping() {
      await answered(get('sweep').getWaitingCount(), 'getWaitingCount')
    },
    all: [...queues.values()],
    async close() {
      await Promise.allSettled([...queues.values()].map(queue => answered(queue.close(), 'close')))
      await engine.close()
    }
  }
}

/** `onEnded` hears of a worker that takes no jobs any more although nobody has closed it. */
export async function openWorkers(
  config: QueueConfig,
  log: Logger,
  onEnded: (reason: string) => void = () => undefined
): Promise<Workers> {
  const engine =
    config.redis === undefined ? postgresConsumer(config, log) : redisConsumer({ ...config, redis: config.redis }, log)
  const workers: Worker[] = []
  const ended: string[] = []
  let isClosing = false
  const end = (name: JobName, why: string) => {
    if (isClosing) return
    const reason = `the worker of ${name} has stopped: ${why}`
    ended.push(reason)
    log.error({ queue: name, reason: why }, 'a worker has stopped')
    onEnded(reason)
  }
  return {
    async start(name, handler, { concurrency, timeLimitMs, onFailed }) {
      const processor: Processor = async job => {
        const attempts = job.opts.attempts ?? 1
        const attempt = job.attemptsMade + 1
        const begun = performance.now()
        const count = (outcome: JobOutcome) => countTry(name, outcome, (performance.now() - begun) / SECOND)
        try {
          const context = { id: job.id ?? '', attempt, isLastAttempt: attempt >= attempts }
          await withinTime(handler(job.data, context), timeLimitMs, `the job took longer than ${timeLimitMs} ms`)
          count('done')
        } catch (error) {
          count(error instanceof TerminalError || attempt >= attempts ? 'failed' : 'retried')
          throw error instanceof TerminalError ? new UnrecoverableError(maskText(error.message)) : withoutPeople(error)
        }
      }
      const worker = engine.worker(name, processor, { concurrency, ...TAKE_OVER, autorun: false })
      workers.push(worker)
      worker.on('error', error => log.warn({ queue: name, err: error }, 'the queue store does not answer'))
      worker.on('failed', (job, error) => {
        log.warn({ queue: name, jobId: job?.id, attempt: job?.attemptsMade, reason: messageOf(error) }, 'a job failed')
        onFailed?.(error)
      })
      await engine.ready(worker)
      worker.run().then(
        () => end(name, 'its loop has ended'),
        error => end(name, messageOf(error))
      )
    },
    ended: () => [...ended],
    async close() {
      isClosing = true
      await Promise.allSettled(workers.map(worker => worker.close()))
      await engine.close()
    }
  }
}

// ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────────────────────

const OnPostgres = withBackend(createPostgresBackend)

function openPool(config: QueueConfig, log: Logger, max: number, statementWithinMs: number): pg.Pool {
  const pool = createPool(
    {
      ...accessConfig(config.database, 'tillworks-queue'),
      connectionTimeoutMillis: 5 * SECOND,
      query_timeout: statementWithinMs,
      // Not at the start of the connection, which a pooler in session mode may not pass on.
      onConnect: client => lookIn(client, QUEUE_SCHEMA),
      max
    },
    log
  )
  // Each queue and each worker listens to the one pool that they share; Node warns of more than ten.
  pool.setMaxListeners(2 * jobNames.length)
  return pool
}

async function postgresProducer(config: QueueConfig, log: Logger) {
  const pool = openPool(config, log, 4, STATEMENT_WITHIN.producer)
  await migrateQueues(pool).catch(async error => {
    await pool.end()
    throw error
  })
  return {
    queue: (name: JobName) =>
      new OnPostgres.Queue(name, { connection: pool, prefix: config.prefix, ...telemetry() }) as unknown as Queue,
    // A queue whose first connection failed would refuse every job from then on.
    ready: async (queue: Queue) => {
      await answered(queue.waitUntilReady(), 'the first connection of a queue', START_TIMEOUT_MS)
    },
    close: () => pool.end()
  }
}

/** Only what has to be migrated has as long as that may take; each start of a process and of a command comes by here. */
async function migrateQueues(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  try {
    const version = await assertSchemaCompatibility(client, QUEUE_SCHEMA).catch(error => {
      if (error instanceof SchemaMigrationRequiredError) return 0
      throw error
    })
    if (version >= LATEST_SCHEMA_VERSION) return
    allowAnswers(client, MIGRATION_TIMEOUT_MS)
    await runMigrations(client, QUEUE_SCHEMA)
  } finally {
    allowAnswers(client, undefined)
    client.release()
  }
}

function postgresConsumer(config: QueueConfig, log: Logger) {
  const listeners = jobNames.length
  const pool = openPool(config, log, listeners + 8, STATEMENT_WITHIN.worker)
  probeHeldConnections(pool)
  return {
    worker: (name: JobName, processor: Processor, options: WorkerOptions) =>
      new OnPostgres.Worker(name, processor, {
        connection: pool,
        prefix: config.prefix,
        ...options,
        ...telemetry()
      }) as unknown as Worker,
    // BullMQ keeps the outcome of its first connection. A worker that runs on a failed one asks again and again without
    // a pause, and nothing else of the process has a turn: it must not run before it is ready.
    ready: async (worker: Worker) => {
      await answered(worker.waitUntilReady(), 'the first connection of a worker', START_TIMEOUT_MS)
    },
    close: () => pool.end()
  }
}

/** The queue store keeps the message and the stack of a failed job, and Bull Board shows them. */
function withoutPeople(error: unknown): unknown {
  if (!(error instanceof Error)) return maskText(String(error))
  error.message = maskText(error.message)
  error.stack = error.stack && maskText(error.stack)
  return error
}

async function answered<T>(work: Promise<T>, what: string, ms = ANSWER_TIMEOUT_MS): Promise<T> {
  return await withinTime(work, ms, `the queue store did not answer ${what} in ${ms} ms`)
}
