import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from '../shared/project-root.js'

/** Where the all-in-one start keeps its data. */
export const stateFolder = process.env.TILLWORKS_HOME ?? join(projectRoot, '.tillworks')

/** Where a command of an operator keeps what is of no use to anybody else. */
export const operatorFolder = process.env.TILLWORKS_HOME ?? tmpdir()

/** What a running all-in-one start tells the `ops` command: its settings. */
export interface Runtime {
  instance: string
  pid: number
  port: number
  env: Record<string, string>
}

export const runtimeFile = join(stateFolder, 'runtime.json')
