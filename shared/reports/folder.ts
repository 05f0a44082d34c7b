import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DAY } from '../duration.js'
import { messageOf } from '../errors.js'
import { type CalendarKind, calendarKinds } from './period.js'

const ENDINGS = ['json', 'txt', 'html', 'eml'] as const
const UNFINISHED = '.part'
/** By then nobody writes it any more. */
const UNFINISHED_FOR = DAY
/** A report is kept from the end of its period on. */
const LONGEST: Record<CalendarKind, number> = { daily: DAY, weekly: 7 * DAY, monthly: 31 * DAY }

export type ReportFiles = Partial<Record<(typeof ENDINGS)[number], string>>

/** Makes the folder where it is missing. Throws a sentence when nothing can be written there. */
export async function prepareFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
    await access(folder, constants.W_OK)
  } catch (error) {
    throw new Error(
      `REPORTS_DIR: reports cannot be written to ${folder} (${messageOf(error)}). Name a folder that the workers may write to.`
    )
  }
}

/** Each file whole or not at all, whenever somebody looks. What is there already stays: another worker was faster. */
export async function writeFiles(folder: string, name: string, files: ReportFiles): Promise<void> {
  for (const ending of ENDINGS) {
    const content = files[ending]
    if (content !== undefined) await writeOnce(folder, `${name}.${ending}`, content)
  }
}

async function writeOnce(folder: string, name: string, content: string): Promise<void> {
  const unfinished = join(folder, `.${name}.${randomUUID()}${UNFINISHED}`)
  try {
    const file = await open(unfinished, 'wx')
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await publish(unfinished, join(folder, name))
  } finally {
    await rm(unfinished, { force: true })
  }
}

async function publish(unfinished: string, path: string): Promise<void> {
  try {
    await link(unfinished, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    // A file system without links: there the last one to write wins.
    await rename(unfinished, path)
  }
}

/** Removes reports whose period ended more than `keepDays` ago, and what a killed process has left; returns how many reports. */
export async function forgetOldFiles(folder: string, keepDays: number, now: Date): Promise<number> {
  let forgotten = 0
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    if (name.startsWith('.') && name.endsWith(UNFINISHED)) {
      const found = await stat(path).catch(() => undefined)
      // By the clock that set the file's own time.
      if (found !== undefined && found.mtimeMs + UNFINISHED_FOR < Date.now()) await rm(path, { force: true })
      continue
    }
    const end = endOf(name)
    if (end === undefined || end + keepDays * DAY >= now.getTime()) continue
    await rm(path, { force: true })
    forgotten++
  }
  return forgotten
}

const NAME = new RegExp(`^(${calendarKinds.join('|')})-(\\d{4}-\\d{2}-\\d{2})\\.(${ENDINGS.join('|')})$`)

/** About when the period of a report ended; undefined for files that are not ours. */
function endOf(name: string): number | undefined {
  const [, kind, day] = NAME.exec(name) ?? []
  if (kind === undefined || day === undefined) return undefined
  const begin = Date.parse(day)
  return Number.isNaN(begin) ? undefined : begin + LONGEST[kind as CalendarKind]
}
