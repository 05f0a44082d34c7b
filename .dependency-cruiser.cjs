/** Imports point one way: api, workers and ops import shared and never each other; shared imports none; nothing imports demo. */
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
      comment: 'Only the test of the demo storefront reads its pages.',
      severity: 'error',
      from: { path: '^(api|workers|ops|shared|prisma|docs|local|tests)/' },
      to: { path: '^demo/(?!storefront/)' }
    },
    {
      name: 'nothing-imports-tests-or-local',
      severity: 'error',
      from: { path: '^(api|workers|ops|shared)/' },
      to: { path: '^(tests|local|simulator|demo)/' }
    },
    {
      name: 'simulator-imports-nothing-of-ours',
      comment: 'It stands for Stripe: what both sides read, a wrong table for one, no test could see.',
      severity: 'error',
      from: { path: '^simulator/' },
      to: { path: '^(api|workers|shared|ops|demo|local|prisma|tests)/' }
    },
    {
      name: 'client-imports-nothing-of-ours',
      comment: 'A shop installs it alone: all it knows of the server are the types made of docs/openapi.json.',
      severity: 'error',
      from: { path: '^client/' },
      to: { path: '^(api|workers|ops|shared|simulator|demo|local|prisma|tests|docs)/' }
    },
    {
      name: 'only-tests-import-client',
      severity: 'error',
      from: { path: '^(api|workers|ops|shared|simulator|local|prisma|docs)/' },
      to: { path: '^client/' }
    },
    {
      name: 'rules-know-only-rules',
      comment: 'What is decided follows from its arguments: no settings, no database, no clock.',
      severity: 'error',
      from: { path: '^shared/rules/' },
      to: { path: '^shared/(?!rules/)[^/]+/' }
    },
    {
      name: 'statements-know-rules-and-the-database',
      severity: 'error',
      from: { path: '^shared/statements/' },
      to: { path: '^shared/(?!statements/|rules/|audit/|database/|identity/|metrics/|queue/jobs)[^/]+/' }
    },
    {
      name: 'entry-points-apart',
      comment: 'What two of them do stands in shared/.',
      severity: 'error',
      from: { path: '^(api|workers|ops)/' },
      to: { path: '^(api|workers|ops)/', pathNot: '^$1/' }
    },
    {
      name: 'no-circles',
      severity: 'error',
      from: { pathNot: '^(prisma/generated|node_modules)' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } }
    }
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    exclude: { path: 'prisma/generated' }
  }
}
