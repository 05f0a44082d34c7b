/** Imports point one way: api and workers import shared, shared imports neither, nothing imports demo. */
module.exports = {
  forbidden: [
    {
      name: 'shared-imports-nobody',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: '^(api|workers|ops|demo|tests)/' }
    },
    {
      name: 'nothing-imports-demo',
      severity: 'error',
      from: { path: '^(api|workers|ops|shared)/' },
      to: { path: '^(demo|tests|bench)/' }
    },
    { name: 'api-and-workers-apart', severity: 'error', from: { path: '^api/' }, to: { path: '^workers/' } },
    { name: 'workers-and-api-apart', severity: 'error', from: { path: '^workers/' }, to: { path: '^api/' } },
    {
      name: 'no-circles',
      severity: 'error',
      from: { pathNot: '^(shared/generated|node_modules)' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } }
    }
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    exclude: { path: 'shared/generated' }
  }
}
