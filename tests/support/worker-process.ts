import { type ChildProcess, spawn } from 'node:child_process'

const started: ChildProcess[] = []

/** Workers as a process of their own, so that it can be killed. */
export function spawnWorkers(env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', 'workers/main.ts'], {
    stdio: 'ignore',
    env: { ...process.env, ...env }
  })
  started.push(child)
  return child
}

export function killWorkers(): void {
  for (const child of started) child.kill('SIGKILL')
}
