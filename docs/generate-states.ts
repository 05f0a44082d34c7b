// npm run docs:states: writes docs/states.md from the tables of shared/rules/transitions.ts.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../shared/project-root.js'
import { statesPage } from './states-page.js'

writeFileSync(join(projectRoot, 'docs/states.md'), statesPage())
