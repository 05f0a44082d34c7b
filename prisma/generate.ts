// Runs `prisma generate` without downloading an engine: the client generator asks for the schema engine's binary but
// never runs it, so any executable that exists will do (docs/decisions/0003-prisma-without-engine-downloads.md).
import { spawnSync } from 'node:child_process'

const result = spawnSync(process.execPath, ['node_modules/prisma/build/index.js', 'generate'], {
  stdio: 'inherit',
  env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1' }
})
process.exit(result.status ?? 1)
