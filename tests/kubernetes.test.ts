import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { allSettings } from '../shared/config/groups.js'
import { MINUTE, SECOND } from '../shared/duration.js'
import { storeEvents } from '../shared/statements/webhook-events.js'
import { BY_HAND } from './support/settings.js'
import { openShop, withShop } from './support/shop.js'

// Without kustomize, which no registry of ours has: each file by its schema, and what the files name of each other.
const ROOT = 'deploy/kubernetes'
const BASE = join(ROOT, 'base')
const OVERLAYS = readdirSync(join(ROOT, 'overlays')).map(name => join(ROOT, 'overlays', name))

// biome-ignore lint/suspicious/noExplicitAny: what a manifest holds is what the test is about
type Manifest = any

const read = (file: string): Manifest[] => parseAllDocuments(readFileSync(file, 'utf8')).map(each => each.toJS())
const kustomization = (folder: string) => parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8'))
const resourceFiles = (folder: string): string[] =>
  kustomization(folder)
    .resources.map((name: string) => join(folder, name))
    .filter((path: string) => path.endsWith('.yaml'))

const inBase = resourceFiles(BASE).flatMap(read)
const all = [...inBase, ...OVERLAYS.flatMap(folder => resourceFiles(folder).flatMap(read))]
const named = all.map(manifest => [`${manifest.kind} ${manifest.metadata.name}`, manifest] as const)
const podTemplates = inBase.filter(({ spec }) => spec?.template !== undefined)

async function modelOf({ apiVersion, kind }: Manifest): Promise<new (data: object) => { validate(): void }> {
  const home = apiVersion.startsWith('keda.sh/') ? '@kubernetes-models/keda' : 'kubernetes-models'
  return (await import(`${home}/${apiVersion}/${kind}`))[kind]
}

/** A copy that remembers which fields were asked for: the schemas let unknown ones pass, and never look at them. */
function watched(value: object, path: string, unread: Set<string>): object {
  if (Array.isArray(value)) return value.map((each, at) => wrap(each, `${path}[${at}]`, unread))
  const copy = Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, wrap(each, `${path}.${name}`, unread)])
  )
  for (const name of Object.keys(value)) unread.add(`${path}.${name}`)
  return new Proxy(copy, {
    get(target, name) {
      unread.delete(`${path}.${String(name)}`)
      return Reflect.get(target, name)
    }
  })
}

const wrap = (value: unknown, path: string, unread: Set<string>) =>
  typeof value === 'object' && value !== null ? watched(value, path, unread) : value

/** Fields of which no schema knows. Maps of texts, which hold any name, are told by where they stand. */
async function unknownFields(manifest: Manifest): Promise<string[]> {
  const Model = await modelOf(manifest)
  const unread = new Set<string>()
  // Its constructor would read, and copy, all of it.
  Object.assign(new Model({}), watched(manifest, '', unread)).validate()
  return [...unread].filter(
    path => !/(labels|annotations|matchLabels|requests|limits|metadata)\.[^.]+(\.|$)/i.test(path)
  )
}

test.each(named)('%s is as its schema says', async (_name, manifest) => {
  const Model = await modelOf(manifest)
  expect(() => new Model(manifest).validate()).not.toThrow()
  await expect(unknownFields(manifest)).resolves.toEqual([])
})

test('a field of another name and a value of another type are found', async () => {
  const api = structuredClone(inBase.find(({ kind }) => kind === 'Deployment'))
  api.spec.template.spec.containers[0].readynessProbe = {}
  await expect(unknownFields(api)).resolves.toEqual(['.spec.template.spec.containers[0].readynessProbe'])
  const Model = await modelOf(api)
  expect(() => new Model({ ...api, spec: { ...api.spec, replicas: 'two' } }).validate()).toThrow()
})

test('every file of a folder is named by its kustomization, and what is named is there', () => {
  for (const folder of [BASE, ...OVERLAYS]) {
    const { resources, configMapGenerator = [], secretGenerator = [] } = kustomization(folder)
    const envs = [...configMapGenerator, ...secretGenerator].flatMap((each: Manifest) => each.envs)
    const wanted = [...resources, ...envs] as string[]
    for (const name of wanted) expect({ name, exists: existsSync(join(folder, name)) }).toEqual({ name, exists: true })
    const present = readdirSync(folder).filter(name => name !== 'kustomization.yaml')
    expect(wanted.filter(name => !name.startsWith('..')).sort()).toEqual(present.sort())
  }
})

test('what manifests refer to exists', () => {
  const has = (kind: string, name: string) => all.some(each => each.kind === kind && each.metadata.name === name)
  for (const { spec } of all.filter(each => each.spec?.scaleTargetRef !== undefined)) {
    expect(has('Deployment', spec.scaleTargetRef.name)).toBe(true)
  }
  for (const trigger of all.flatMap(each => each.spec?.triggers ?? [])) {
    expect(has('TriggerAuthentication', trigger.authenticationRef.name)).toBe(true)
  }
  const templates = podTemplates.map(({ spec }) => spec.template)
  const selectors = all.flatMap(({ kind, spec }) =>
    kind === 'Service' ? [spec.selector] : kind === 'NetworkPolicy' ? [spec.podSelector.matchLabels] : []
  )
  const budgets = all.flatMap(({ kind, spec }) =>
    ['PodDisruptionBudget', 'Deployment'].includes(kind) ? [spec.selector.matchLabels] : []
  )
  for (const selector of [...selectors, ...budgets]) {
    const picked = templates.filter(({ metadata }) =>
      Object.entries(selector).every(
        ([label, value]) => ({ 'app.kubernetes.io/name': 'tillworks', ...metadata.labels })[label] === value
      )
    )
    expect(picked.length).toBeGreaterThan(0)
  }
})

test('every pod runs as the restricted standard of Kubernetes asks, with resources and without a token', () => {
  expect(podTemplates.map(({ metadata }) => metadata.name).sort()).toEqual([
    'tillworks-api',
    'tillworks-migrate',
    'tillworks-workers'
  ])
  for (const { spec } of podTemplates) {
    const pod = spec.template.spec
    expect(pod.automountServiceAccountToken).toBe(false)
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    for (const { securityContext, resources } of pod.containers) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] }
      })
      expect(Object.keys(resources.requests).sort()).toEqual(['cpu', 'memory'])
    }
  }
})

test('a pod has the time that its orderly end may take', () => {
  const graceOf = (name: string) =>
    podTemplates.find(({ metadata }) => metadata.name === `tillworks-${name}`).spec.template.spec
      .terminationGracePeriodSeconds
  const capsOf = (file: string) =>
    [...readFileSync(file, 'utf8').matchAll(/capMs: (?:(\d+) \* SECOND|CLOSE_CAP)/g)].reduce(
      (sum, [, seconds]) => sum + Number(seconds ?? 10),
      0
    )
  const delays = OVERLAYS.map(
    folder => /^SHUTDOWN_DELAY_MS=(\d+)$/m.exec(readFileSync(join(folder, 'settings.env'), 'utf8'))?.[1]
  )
  const delaySeconds = Math.max(...delays.map(Number)) / SECOND
  expect(delaySeconds).toBeGreaterThan(0)
  expect(capsOf('api/main.ts')).toBeGreaterThan(20)
  expect(graceOf('api')).toBeGreaterThanOrEqual(capsOf('api/main.ts') + delaySeconds + 1)
  expect(graceOf('workers')).toBeGreaterThanOrEqual(capsOf('workers/main.ts'))
})

test('settings and secrets of an overlay are settings of ours, each in its file', () => {
  const secret = new Map(allSettings.map(setting => [setting.variable, setting.secret === true]))
  const namesIn = (file: string) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
      .map(line => line.split('=')[0] as string)
  for (const folder of OVERLAYS) {
    for (const name of namesIn(join(folder, 'settings.env'))) expect([name, secret.get(name)]).toEqual([name, false])
    for (const name of namesIn(join(folder, 'secrets.env'))) expect([name, secret.get(name)]).toEqual([name, true])
  }
})

test('workers are scaled by the age of the oldest row that a worker could take', async () => {
  const { query } = inBase.find(({ kind }) => kind === 'ScaledObject').spec.triggers[0].metadata
  await withShop(openShop('postgres', BY_HAND), async ({ stack: { services } }) => {
    const { pool } = services.db
    const age = async () => Number(Object.values((await pool.query(query)).rows[0])[0])
    expect(await age()).toBe(0)
    const waiting = (id: string) => ({
      id,
      type: 'charge.succeeded',
      apiVersion: null,
      livemode: false,
      created: new Date(),
      payload: '{}',
      requestId: 'test',
      receivedAt: new Date(Date.now() - 5 * MINUTE)
    })
    await storeEvents(pool, [waiting('evt_waits'), waiting('evt_waits_for_stripe')])
    await pool.query(`UPDATE "WebhookEvent" SET "stripeAwaySince" = now() WHERE "id" = 'evt_waits_for_stripe'`)
    expect(await age()).toBeGreaterThanOrEqual(300)
    await pool.query(`DELETE FROM "WebhookEvent" WHERE "id" = 'evt_waits'`)
    expect(await age()).toBe(0)
  })
})
