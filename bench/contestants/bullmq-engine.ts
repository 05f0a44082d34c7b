import { createPostgresBackend, type Processor, Queue, Worker, withBackend } from 'bullmq'

const url = process.env.QUEUE_URL ?? ''
const NAME = 'bare'
const OnPostgres = withBackend(createPostgresBackend)
const onRedis = { connection: { url, maxRetriesPerRequest: null } }
const onPostgres = { connection: { connectionString: url, migrate: true, max: 20 } }
const isRedis = url.startsWith('redis:')

/** BullMQ as it comes, on the store that ours has. */
export function openQueue(): Queue {
  return isRedis ? new Queue(NAME, onRedis) : (new OnPostgres.Queue(NAME, onPostgres) as unknown as Queue)
}

export function openWorker(processor: Processor, concurrency: number): Worker {
  if (isRedis) return new Worker(NAME, processor, { ...onRedis, concurrency })
  return new OnPostgres.Worker(NAME, processor, { ...onPostgres, concurrency }) as unknown as Worker
}
