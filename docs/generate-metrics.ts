// npm run docs:metrics: writes docs/metrics.md from what shared/metrics/ and shared/runtime/metrics.ts register.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../shared/project-root.js'
import { metricsPage } from './metrics-page.js'

writeFileSync(join(projectRoot, 'docs/metrics.md'), metricsPage())
