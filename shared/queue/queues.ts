import { once } from 'node:events'
import {
  assertSchemaCompatibility,
  createPostgresBackend,
  LATEST_SCHEMA_VERSION,
  type Processor,
  Queue,
  runMigrations,
  SchemaMigrationRequiredError,
  UnrecoverableError,
  Worker,
  withBackend
} from 'bullmq'
import { Redis } from 'ioredis'
import type pg from 'pg'
import type { Config } from '../config/config.js'
import { allowAnswers } from '../database/bounded-client.js'
import { createPool, probeHeldConnections } from '../database/postgres-pool.js'
import { MINUTE, SECOND } from '../duration.js'
import { messageOf, TerminalError } from '../errors.js'
import { maskText } from '../identity/masking.js'
import type { Logger } from '../logger.js'
import { countTry, type JobOutcome } from '../metrics/jobs.js'
import { withinTime } from '../within-time.js'
import { createBatcher } from './batcher.js'
import { type JobName, type JobPayloads, jobNames, type RowJobName, rowJob } from './jobs.js'
import { QUEUE_SCHEMA } from './queue-schema.js'

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
  /** Enqueues the job of a row even when an ended job of the same id is still kept. False when it is already waiting. */
  enqueueAgain(name: RowJobName, id: string): Promise<boolean>
  /** Creates or restores a repeating job. */
  schedule(name: JobName, repeat: { every: number } | { pattern: string }): Promise<void>
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

type QueueConfig = Config['queue'] & { databaseUrl: string }

const ANSWER_TIMEOUT_MS = 2 * SECOND
const START_TIMEOUT_MS = 20 * SECOND
/** Of one statement of BullMQ's on PostgreSQL: all are short, and what it waits for comes as a notification. */
const STATEMENT_WITHIN = { producer: 5 * SECOND, worker: 10 * SECOND }
const MIGRATION_TIMEOUT_MS = 10 * MINUTE
/** A Redis that says nothing for so long is gone. Workers wait up to ten seconds for a job (BullMQ's maximumBlockTimeout). */
const REDIS_SILENCE = { producer: 4 * SECOND, worker: 20 * SECOND }
const MAX_BATCH = 500
/**
 * How long the jobs of a killed worker wait until another one takes them. A worker that is only slow may lose a job, which
 * is then done twice: rows decide, so that this changes nothing.
 */
const TAKE_OVER = { lockDuration: 15 * SECOND, stalledInterval: 5 * SECOND }

export async function openQueues(config: QueueConfig, log: Logger): Promise<Queues> {
  const engine = config.engine === 'redis' ? await redisProducer(config, log) : await postgresProducer(config, log)
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

  const enqueue: Queues['enqueue'] = async (name, id) => {
    await adders.get(name)?.(rowJob(name, id))
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

  return {
    enqueue,
    enqueueAgain,
    async offer(name, id, { again = false } = {}) {
      try {
        await (again ? enqueueAgain(name, id) : enqueue(name, id))
        return true
      } catch (error) {
        log.warn(
          { queue: name, jobId: id, reason: messageOf(error) },
          'a job was not enqueued; the sweep will enqueue it'
        )
        return false
      }
    },
    async schedule(name, repeat) {
      const template = { name, data: {}, opts: { removeOnComplete: 100, removeOnFail: 500 } }
      await answered(get(name).upsertJobScheduler(name, repeat, template), 'upsertJobScheduler')
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
  const engine = config.engine === 'redis' ? redisConsumer(config, log) : postgresConsumer(config, log)
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

// ── Redis ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function redisPrefix(config: QueueConfig): string {
  // The braces keep all keys of the queues in one slot of a Redis Cluster.
  return `{${config.prefix}}`
}

function connectRedis(config: QueueConfig, log: Logger, options: object): Redis {
  const redis = new Redis(config.redisUrl ?? '', options)
  redis.on('error', error => log.debug({ err: error }, 'a connection to Redis failed'))
  return redis
}

/** A second disconnect() would wait two seconds for the end of a connection that has ended, and hold the process for them. */
function disconnect(connection: Redis): void {
  if (connection.status !== 'end') connection.disconnect()
}

/** Producers fail at once when Redis is away, so that no request hangs; it may be away at the start, too. */
async function redisProducer(config: QueueConfig, log: Logger) {
  const connection = connectRedis(config, log, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: ANSWER_TIMEOUT_MS,
    connectTimeout: ANSWER_TIMEOUT_MS,
    socketTimeout: REDIS_SILENCE.producer
  })
  await answered(once(connection, 'ready'), 'connect').catch(error => {
    log.warn({ reason: messageOf(error) }, 'Redis is away; the sweep enqueues the jobs once it is back')
  })
  return {
    queue: (name: JobName) => new Queue(name, { connection, prefix: redisPrefix(config), skipWaitingForReady: true }),
    // Redis may come later.
    ready: async (_queue: Queue) => undefined,
    close: async () => disconnect(connection)
  }
}

/** Workers wait for Redis to come back. */
function redisConsumer(config: QueueConfig, log: Logger) {
  const connection = connectRedis(config, log, { maxRetriesPerRequest: null, socketTimeout: REDIS_SILENCE.worker })
  return {
    worker: (name: JobName, processor: Processor, options: WorkerOptions) =>
      new Worker(name, processor, { connection, prefix: redisPrefix(config), ...options }),
    // Redis may come later; the worker waits for it.
    ready: async (_worker: Worker) => undefined,
    close: async () => disconnect(connection)
  }
}

// ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────────────────────

const OnPostgres = withBackend(createPostgresBackend)

function openPool(config: QueueConfig, log: Logger, max: number, statementWithinMs: number): pg.Pool {
  const pool = createPool(
    {
      connectionString: config.databaseUrl,
      options: `-c search_path=${QUEUE_SCHEMA}`,
      application_name: 'tillworks-queue',
      connectionTimeoutMillis: 5 * SECOND,
      query_timeout: statementWithinMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10 * SECOND,
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
      new OnPostgres.Queue(name, { connection: pool, prefix: config.prefix }) as unknown as Queue,
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
        ...options
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
