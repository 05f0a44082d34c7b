// npm run docs:commands: writes docs/commands.md from the commands of ops/.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../shared/project-root.js'
import { commandsPage } from './commands-page.js'

writeFileSync(join(projectRoot, 'docs/commands.md'), commandsPage())
