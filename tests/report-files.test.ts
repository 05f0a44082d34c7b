import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../local/eventually.js'
import { loadConfig } from '../shared/config/config.js'
import { DAY, HOUR } from '../shared/duration.js'
import { MOST_MISSED, writeDueReports } from '../shared/reports/due-reports.js'
import { prepareFolder } from '../shared/reports/folder.js'
import { ENOUGH, NO_SCHEDULES } from './support/settings.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tillworks-reports-'))
  shop = await openShop('postgres', {
    ...NO_SCHEDULES,
    REPORTS_DIR: join(folder, 'of', 'the shop'),
    REPORTS_CRON: '0 0 1 1 *',
    REPORTS_TIME_ZONE: 'America/New_York',
    REPORTS_KEEP_DAYS: '100',
    REPORTS_MAIL_FROM: 'till@shop.example',
    REPORTS_MAIL_TO: 'ada@shop.example,bob@shop.example'
  })
})
afterAll(async () => {
  await shop?.close()
  rmSync(folder, { recursive: true, force: true })
})

const dir = () => shop.stack.config.reports.folder ?? ''
const files = () => readdirSync(dir()).sort()
const write = (at: string | Date) => writeDueReports({ ...shop.stack.services, now: () => new Date(at) })
const ofKind = (kind: string) => files().filter(name => name.startsWith(kind) && name.endsWith('.json'))

it('writes what ended last, once, whole, in four forms, by the days of its zone', async () => {
  // Still the 29th, a Sunday, in New York.
  await write('2026-11-30T04:59:00Z')
  const forms = ['eml', 'html', 'json', 'txt']
  const first = ['daily-2026-11-28', 'monthly-2026-10-01', 'weekly-2026-11-16']
  expect(files()).toEqual(first.flatMap(name => forms.map(form => `${name}.${form}`)))
  const inodes = files().map(name => statSync(join(dir(), name)).ino)
  await write('2026-11-30T04:59:30Z')
  expect(files().map(name => statSync(join(dir(), name)).ino)).toEqual(inodes)
  await write('2026-11-30T05:01:00Z')
  expect(ofKind('daily')).toEqual(['daily-2026-11-28.json', 'daily-2026-11-29.json'])
  expect(ofKind('weekly')).toEqual(['weekly-2026-11-16.json', 'weekly-2026-11-23.json'])
  const { period, timeZone } = JSON.parse(readFileSync(join(dir(), 'daily-2026-11-29.json'), 'utf8'))
  expect([timeZone, period.since, period.until]).toEqual([
    'America/New_York',
    '2026-11-29T05:00:00.000Z',
    '2026-11-30T05:00:00.000Z'
  ])
})

it('writes a mail that carries the same text and HTML', () => {
  const read = (form: string) => readFileSync(join(dir(), `daily-2026-11-29.${form}`), 'utf8')
  const [headers = '', ...parts] = read('eml').split('\r\n--=_a_report_of_tillworks')
  expect(headers).toContain('From: till@shop.example\r\nTo: ada@shop.example,\r\n bob@shop.example\r\n')
  expect(headers).toContain('Subject: Daily report, 2026-11-29 (America/New_York)\r\n')
  expect(headers).toMatch(/^Date: Mon, 30 Nov 2026 05:01:00 \+0000\r\n/)
  expect(
    read('eml')
      .split('\r\n')
      .every(line => line.length <= 78)
  ).toBe(true)
  const contents = parts.slice(0, 2).map(part => Buffer.from(part.split('\r\n\r\n')[1] ?? '', 'base64').toString())
  expect(contents).toEqual([read('txt'), read('html')])
  expect(parts[2]).toBe('--\r\n')
})

it('makes up for what it has missed, not without end, and forgets what is old', async () => {
  const foreign = join(dir(), 'daily-notes.txt')
  const left = join(dir(), '.daily-2026-11-28.json.x.part')
  for (const path of [foreign, left]) writeFileSync(path, 'x')
  utimesSync(left, new Date('2026-11-28'), new Date('2026-11-28'))
  await write('2026-12-04T06:00:00Z')
  expect(ofKind('daily').at(-1)).toBe('daily-2026-12-03.json')
  expect(ofKind('daily')).toHaveLength(6)
  expect(ofKind('monthly')).toEqual(['monthly-2026-10-01.json', 'monthly-2026-11-01.json'])
  await write('2027-04-01T06:00:00Z')
  expect(ofKind('daily')).toHaveLength(MOST_MISSED.daily)
  expect([ofKind('daily')[0], ofKind('daily').at(-1)]).toEqual(['daily-2027-03-01.json', 'daily-2027-03-31.json'])
  // Kept for a hundred days from its end on.
  expect(ofKind('monthly')).toEqual([
    'monthly-2026-12-01.json',
    'monthly-2027-01-01.json',
    'monthly-2027-02-01.json',
    'monthly-2027-03-01.json'
  ])
  expect(files()).toContain('daily-notes.txt')
  expect(files().filter(name => name.endsWith('.part'))).toEqual([])
})

it('of several workers at once the files are whole, and written once', async () => {
  await Promise.all([1, 2, 3].map(() => write('2027-04-03T06:00:00Z')))
  expect(ofKind('daily').slice(-2)).toEqual(['daily-2027-04-01.json', 'daily-2027-04-02.json'])
  expect(files().filter(name => name.endsWith('.part'))).toEqual([])
  for (const name of ofKind('daily')) JSON.parse(readFileSync(join(dir(), name), 'utf8'))
})

it('says so when a file cannot be written, leaves nothing behind, and writes it the next time', async () => {
  rmSync(dir(), { recursive: true })
  await expect(write('2027-04-04T06:00:00Z')).rejects.toThrow('ENOENT')
  mkdirSync(dir())
  await write('2027-04-04T06:00:00Z')
  expect(ofKind('daily')).toEqual(['daily-2027-04-03.json'])
})

it('runs as a job of the workers', async () => {
  rmSync(dir(), { recursive: true })
  mkdirSync(dir())
  const { db, queues } = shop.stack.services
  await db.prisma.checkpoint.deleteMany({ where: { name: { startsWith: 'report:' } } })
  const queue = queues.all.find(({ name }) => name === 'reports')
  expect((await queue?.getJobSchedulers())?.map(({ pattern }) => pattern)).toEqual(['0 0 1 1 *'])
  await queue?.add('reports', {})
  const find = () => db.prisma.checkpoint.findUnique({ where: { name: 'schedule:reports' } })
  expect(await eventually(find, row => row !== null)).not.toBeNull()
  const yesterday = new Date(Date.now() - DAY - HOUR).toLocaleDateString('sv', { timeZone: 'America/New_York' })
  expect(ofKind('daily').length).toBe(1)
  expect((ofKind('daily')[0] ?? '') >= `daily-${yesterday}.json`).toBe(true)
})

it('is refused at the start when it can never work', async () => {
  writeFileSync(join(folder, 'a file'), '')
  await expect(prepareFolder(join(folder, 'a file', 'below'))).rejects.toThrow(
    /REPORTS_DIR: reports cannot be written to .* Name a folder/
  )
  const start = (env: object) => () => loadConfig({ ...ENOUGH, QUEUE_ENGINE: 'postgres', ...env })
  expect(start({ REPORTS_TIME_ZONE: 'Mars' })).toThrow('REPORTS_TIME_ZONE: expected a name')
  expect(start({ REPORTS_MAIL_TO: 'a@b.example' })).toThrow('REPORTS_MAIL_FROM: missing')
  expect(start({ REPORTS_MAIL_FROM: 'a@b.example' })).toThrow('REPORTS_MAIL_TO: missing')
  expect(start({ REPORTS_MAIL_FROM: 'Ada <a@b.example>', REPORTS_MAIL_TO: 'a@b.example' })).toThrow('an e-mail address')
})
