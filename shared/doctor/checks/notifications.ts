import { SECOND } from '../../duration.js'
import { newId } from '../../ids.js'
import { pingShop, type ShopEndpoint, shopEndpointOf } from '../../runtime/shop-endpoint.js'
import type { Check } from '../check.js'
import { type Finding, fine, must, should } from '../finding.js'
import { isLoopback } from '../loopback.js'
import { reasonOfFetch } from '../reason.js'

const ANSWER_WITHIN = 10 * SECOND

/** Whether the shop takes what we sign, and refuses what somebody else does. */
export const notifications: Check = {
  name: 'notifications',
  needs: ['ORDER_WEBHOOK_URL', 'ORDER_WEBHOOK_SECRET'],
  async run({ config, now }) {
    const target = shopEndpointOf(config)
    if (target === undefined)
      return [should('ORDER_WEBHOOK_URL is not set: the shop is told nothing and has to ask for each order')]
    const findings = [...insecure(target, config.production), ...(await ping(target, now()))]
    return findings.length > 0
      ? findings
      : [fine(`${placeOf(target)} took a signed ping and refused one that was not ours`)]
  }
}

function placeOf({ url }: ShopEndpoint): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}

function insecure(target: ShopEndpoint, production: boolean): Finding[] {
  if (!production || target.url.startsWith('https:') || isLoopback(target.url)) return []
  return [should(`${placeOf(target)} is not https: use it, unless the way there is a network of your own`)]
}

async function ping(target: ShopEndpoint, now: Date): Promise<Finding[]> {
  const id = `ping_${newId()}`
  try {
    const status = await pingShop(target, id, now, ANSWER_WITHIN)
    if (status < 200 || status >= 300)
      return [
        must(
          `${placeOf(target)} answers ${status} to a signed ping: it has to answer 2xx to what is signed with ORDER_WEBHOOK_SECRET (docs/api.md#notifications-to-your-shop)`
        )
      ]
    const forged = await pingShop({ ...target, secrets: [strangersSecret()] }, `${id}_forged`, now, ANSWER_WITHIN)
    if (forged >= 200 && forged < 300)
      return [
        should(
          `${placeOf(target)} also takes a ping with a wrong signature: unless it verifies later, anybody can tell your shop that an order is paid (docs/api.md#notifications-to-your-shop)`
        )
      ]
    return []
  } catch (error) {
    const reason = reasonOfFetch(error, ANSWER_WITHIN)
    return [must(`${placeOf(target)} ${reason}: is ORDER_WEBHOOK_URL right, and may this machine reach it?`)]
  }
}

function strangersSecret(): string {
  return `whsec_${Buffer.from(newId().repeat(2)).toString('base64').slice(0, 40)}`
}
