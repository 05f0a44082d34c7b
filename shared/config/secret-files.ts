import { readFileSync } from 'node:fs'
import { allSettings } from './groups.js'

const SECRETS = allSettings.filter(setting => setting.secret).map(setting => setting.variable)

/** The secrets that files hold, which NAME_FILE names, as container secrets do. */
export function readSecretFiles(env: Record<string, string | undefined>) {
  const values: Record<string, string> = {}
  const problems: string[] = []
  for (const name of SECRETS) {
    const file = env[`${name}_FILE`]
    if (file === undefined) continue
    if (env[name] !== undefined) problems.push(`${name}_FILE: is set although ${name} is; unset one of the two`)
    try {
      values[name] = readFileSync(file, 'utf8').trim()
    } catch (error) {
      problems.push(`${name}_FILE: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`)
    }
  }
  return { values, problems }
}
