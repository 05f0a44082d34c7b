import { type ChildProcess, spawn } from 'node:child_process'

const started: ChildProcess[] = []

/** The ingress or workers as a process of their own, so that it can be killed. */
export function spawnProcess(kind: 'api' | 'workers', env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn(process.execPath, [`${process.env.TILLWORKS_TEST_BUILD}/${kind}/main.js`], {
    stdio: 'ignore',
    env: { ...process.env, ...env, NODE_OPTIONS: '' }
  })
  started.push(child)
  return child
}

export const spawnWorkers = (env: NodeJS.ProcessEnv): ChildProcess => spawnProcess('workers', env)

export function killWorkers(): void {
  for (const child of started) child.kill('SIGKILL')
}
