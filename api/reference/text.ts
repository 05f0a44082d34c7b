import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../../shared/project-root.js'
import { apiReference } from './document.js'

/** docs/openapi.json: `npm run docs:openapi`. */
export function referenceText(): string {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'))
  return `${JSON.stringify(apiReference(version), null, 2)}\n`
}
