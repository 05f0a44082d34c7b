import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../../shared/project-root.js'
import { apiReference, type Places } from './document.js'

/** docs/openapi.json: `npm run docs:openapi`. */
export function referenceText(places?: Places): string {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'))
  return `${JSON.stringify(apiReference(version, places), null, 2)}\n`
}
