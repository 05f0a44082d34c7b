import type { RedisConfig } from '../config/groups/redis.js'
import { placeOf } from '../queue/redis-connection.js'
import { readRedisNodes } from '../queue/redis-nodes.js'
import { hintOf, refusalOf, troublesOf } from '../queue/redis-trouble.js'
import { type Finding, fine, must, should } from './finding.js'
import { reasonOf } from './reason.js'

export async function lookAtRedis(config: RedisConfig): Promise<Finding[]> {
  try {
    const nodes = await readRedisNodes(config)
    const troubles = troublesOf(config, nodes)
    if (troubles.length > 0)
      return troubles.map(({ weight, text }) => (weight === 'should' ? should(text) : must(text)))
    const versions = [...new Set(nodes.map(({ info }) => info.redis_version))].join(', ')
    const several = nodes.length > 1 ? `, ${nodes.length} primaries` : ''
    return [fine(`Redis ${versions} at ${placeOf(config)}${several}, noeviction, append-only file on`)]
  } catch (error) {
    const refusal = refusalOf(config, error)
    return [
      must(
        refusal ??
          `Redis at ${placeOf(config)} cannot be used: ${reasonOf(error)}${hintOf(config, error)}. Does it run, and can it be reached from here?`
      )
    ]
  }
}
