import { redisVariables } from '../../config/groups/redis.js'
import type { Check } from '../check.js'
import { lookAtPostgresQueue } from '../postgres-queue.js'
import { lookAtRedis } from '../redis.js'

export const queueStore: Check = {
  name: 'queue store',
  needs: [...redisVariables, 'QUEUE_ENGINE'],
  async run(subject) {
    const { redis } = subject.config.queue
    return redis === undefined ? await lookAtPostgresQueue(subject) : await lookAtRedis(redis)
  }
}
