import { join } from 'node:path'
import { projectRoot } from './project-root.js'

/** Where the all-in-one start keeps its data. */
export const stateFolder = process.env.TILLWORKS_HOME ?? join(projectRoot, '.tillworks')

/** What a running all-in-one start tells the `ops` command: its settings. */
export interface Runtime {
  instance: string
  pid: number
  port: number
  env: Record<string, string>
}

export const runtimeFile = join(stateFolder, 'runtime.json')
