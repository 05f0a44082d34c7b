import { allSettings } from '../shared/config/groups.js'

/** .env.example: what a first deployment with docker compose sets. */
export function envExample(): string {
  const lines = allSettings.flatMap(({ variable, doc, takes, example }) =>
    example === undefined ? [] : [`# ${sentence(doc)}`, `# Takes ${takes}.`, `${variable}=${example}`]
  )
  return [
    '# Copy to .env for docker compose. docs/settings.md lists every setting; those that docker-compose.yml does not decide',
    '# itself can be set here, too. Written by npm run docs:settings.',
    '# The password of the database that docker compose starts.',
    'POSTGRES_PASSWORD=',
    ...lines,
    ''
  ].join('\n')
}

function sentence(doc: string): string {
  return `${doc.charAt(0).toUpperCase()}${doc.slice(1)}.`
}
