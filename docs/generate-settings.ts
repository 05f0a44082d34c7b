// npm run docs:settings: writes docs/settings.md and .env.example from the settings that shared/config/groups/ declares.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../shared/project-root.js'
import { envExample } from './env-example.js'
import { settingsPage } from './settings-page.js'

writeFileSync(join(projectRoot, 'docs/settings.md'), settingsPage())
writeFileSync(join(projectRoot, '.env.example'), envExample())
