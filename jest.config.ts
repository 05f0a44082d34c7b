/** @jest-config-loader esbuild-register */
import type { Config } from 'jest'

const config: Config = {
  testEnvironment: 'node',
  roots: ['<rootDir>/tests'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts', '.tsx'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'es6' } }
    ],
    '^.+\\.tsx$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2023',
          parser: { syntax: 'typescript', tsx: true },
          transform: { react: { runtime: 'automatic', importSource: 'preact' } }
        },
        module: { type: 'es6' }
      }
    ]
  },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  // Only what hangs: a busy machine may take ten times as long as a quiet one.
  testTimeout: 300_000,
  // A third one for a person who waits: much of a test's time is waiting.
  maxWorkers: process.env.CI === 'true' ? 2 : 3,
  // What a test file leaves behind in its worker makes every collection of garbage in later ones dearer.
  workerIdleMemoryLimit: '800MB'
}

export default config
