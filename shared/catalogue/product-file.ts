import { readCsv } from './csv-file.js'
import type { GivenCatalogue } from './given-product.js'
import { readJsonLines } from './json-lines-file.js'
import { lineCounter } from './line-counter.js'

export const fileFormats = ['csv', 'jsonl'] as const
export type FileFormat = (typeof fileFormats)[number]

const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/** The format that the name of a file says, or what is in it. */
export function formatOf(name: string, file: Buffer): FileFormat {
  if (/\.(jsonl|ndjson|json)$/i.test(name)) return 'jsonl'
  if (/\.(csv|tsv)$/i.test(name)) return 'csv'
  return /^\s*[{[]/.test(withoutBom(file).subarray(0, 1_000).toString()) ? 'jsonl' : 'csv'
}

/** Reads a file of products: UTF-8, with or without a byte order mark. All that is wrong is told at once, by line. */
export function readProductFile(file: Buffer, format: FileFormat): GivenCatalogue {
  const body = withoutBom(file)
  const problem = encodingProblem(body)
  if (problem !== undefined) return { products: [], problems: [problem] }
  return format === 'csv' ? readCsv(body) : readJsonLines(body)
}

function withoutBom(file: Buffer): Buffer {
  return file.subarray(0, BOM.length).equals(BOM) ? file.subarray(BOM.length) : file
}

function encodingProblem(body: Buffer) {
  const refuse = (line: number, message: string) => ({ line, column: null, message })
  const mark = body.subarray(0, 2).toString('hex')
  if (mark === 'fffe' || mark === 'feff') return refuse(1, 'the file is UTF-16: save it as "CSV UTF-8"')
  const zero = body.indexOf(0)
  if (zero !== -1) return refuse(lineCounter(body)(zero), 'there is a NUL character: this is no text')
  const end = validUtf8(body)
  if (end < body.length)
    return refuse(
      lineCounter(body)(end),
      'a character is not UTF-8: save the file as "CSV UTF-8" or as Unicode (UTF-8)'
    )
  return undefined
}

/** How many bytes are UTF-8 from the beginning on. */
function validUtf8(body: Buffer): number {
  const isValid = (bytes: Buffer, complete: boolean) => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: !complete })
      return true
    } catch {
      return false
    }
  }
  if (isValid(body, true)) return body.length
  let [good, bad] = [0, body.length]
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (isValid(body.subarray(0, middle), false)) good = middle
    else bad = middle
  }
  return good
}
