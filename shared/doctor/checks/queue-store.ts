import type { Check } from '../check.js'
import { lookAtPostgresQueue } from '../postgres-queue.js'
import { lookAtRedis } from '../redis.js'

export const queueStore: Check = {
  name: 'queue store',
  needs: ['REDIS_URL', 'QUEUE_ENGINE'],
  async run(subject) {
    const { redisUrl } = subject.config.queue
    return redisUrl === undefined ? await lookAtPostgresQueue(subject) : await lookAtRedis(redisUrl)
  }
}
