import { settingNames } from '../../config/config.js'
import type { Check } from '../check.js'
import { fine, must } from '../finding.js'

export const settings: Check = {
  name: 'settings',
  needs: [],
  async run({ settings: { problems }, config }) {
    if (problems.length > 0) return problems.map(problem => must(`${problem} (docs/settings.md)`))
    const mode = config.production ? 'NODE_ENV=production' : 'not NODE_ENV=production'
    return [fine(`all ${settingNames.length} can be read; ${mode}`)]
  }
}
