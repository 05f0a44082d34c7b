import { minor, toDecimalString } from '../../money.js'
import { countProducts } from '../../statements/shop-state.js'
import type { Check } from '../check.js'
import { type Finding, fine, must, should } from '../finding.js'

/** Whether there is something to buy, for a price in a currency that is sold in. */
export const products: Check = {
  name: 'products',
  needs: ['DATABASE_URL', 'DATABASE_ROLE', 'PAYMENT_CURRENCY', 'PAYMENT_MAX_AMOUNT'],
  async run({ config, database }) {
    const { currency, maxAmount } = config.payment
    const counts = await countProducts(await database(), currency, maxAmount)
    const { active, inactive, otherCurrency, soldOut, tooDear } = counts
    if (active === 0) return [must(`there is no product to buy (${inactive} are inactive): import your catalogue`)]
    const findings: Finding[] = []
    if (otherCurrency > 0) {
      const todo = `${otherCurrency} of ${active} products have no price in ${currency}, and cannot be bought: set their price, or PAYMENT_CURRENCY`
      findings.push(otherCurrency === active ? must(todo) : should(todo))
    }
    if (tooDear > 0)
      findings.push(
        should(
          `${tooDear} of ${active} products cost more than ${toDecimalString(minor(maxAmount), currency)} ${currency}, and cannot be bought: raise PAYMENT_MAX_AMOUNT`
        )
      )
    if (soldOut === active) findings.push(should(`all ${active} products are sold out: set their stock`))
    if (findings.length > 0) return findings
    return [
      fine(
        `${active} to buy in ${currency}${soldOut > 0 ? `, ${soldOut} of them sold out` : ''}${inactive > 0 ? `, ${inactive} inactive` : ''}`
      )
    ]
  }
}
