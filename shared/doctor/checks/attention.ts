import { countGivenUp, countOpenAlerts } from '../../statements/shop-state.js'
import type { Check } from '../check.js'
import { fine, should } from '../finding.js'

/** What already waits for a person. */
export const attention: Check = {
  name: 'attention',
  needs: ['DATABASE_URL', 'DATABASE_ROLE'],
  async run({ database }) {
    const pool = await database()
    const [alerts, { events, notifications }] = await Promise.all([countOpenAlerts(pool), countGivenUp(pool)])
    const findings = []
    if (alerts.length > 0) {
      const names = alerts.map(({ name, count }) => (count === 1 ? name : `${name} (${count})`))
      findings.push(should(`open alerts: ${names.join(', ')}: npm run ops -- attention`))
    }
    if (events > 0) findings.push(should(`${events} dead events: npm run ops -- events list --status dead`))
    if (notifications > 0)
      findings.push(
        should(
          `${notifications} notifications that the shop did not take: npm run ops -- notifications list --status failed`
        )
      )
    return findings.length > 0 ? findings : [fine('no open alerts, no dead events, no failed notifications')]
  }
}
