// npm run docs:openapi: writes docs/openapi.json from the schemas of the API, and client/generated/api.ts from that.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referenceText } from '../api/reference/text.js'
import { projectRoot } from '../shared/project-root.js'

writeFileSync(join(projectRoot, 'docs/openapi.json'), referenceText())
