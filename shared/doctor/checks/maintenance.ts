import { readMaintenance } from '../../statements/switches.js'
import type { Check } from '../check.js'
import { fine, should } from '../finding.js'

export const maintenance: Check = {
  name: 'maintenance',
  needs: ['MAINTENANCE'],
  async run({ config, database, now }) {
    if (config.maintenance) return [should('MAINTENANCE=true refuses new checkouts: unset it to open the shop')]
    const state = await readMaintenance(await database())
    const isOver = state?.until != null && new Date(state.until) <= now()
    if (!state?.on || isOver) return [fine('off, checkouts are open')]
    return [should(`on ("${state.message}"), new checkouts are refused: npm run ops -- maintenance off`)]
  }
}
