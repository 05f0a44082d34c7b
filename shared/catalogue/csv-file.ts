import { CsvError, type Info, parse } from 'csv-parse/sync'
import { columnOf } from './columns.js'
import type { CatalogueProblem, Cell, GivenCatalogue, GivenProduct } from './given-product.js'
import { lineCounter } from './line-counter.js'

const DELIMITERS = [',', ';', '\t']

/**
 * Reads CSV (RFC 4180) with a heading, whatever ends its lines. What Excel makes of it in countries that write decimals with
 * a comma, semicolons or tabs between the cells, is seen from the heading.
 */
export function readCsv(file: Buffer): GivenCatalogue {
  const source = withoutSeparatorLine(file)
  const lineAt = lineCounter(file)
  const problems: CatalogueProblem[] = []
  const products: GivenProduct[] = []
  let columns: Column[] | undefined
  let end = source.offset
  try {
    parse(source.body, {
      delimiter: delimiterOf(source.body),
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      on_record: (record: string[], { bytes }: Info) => {
        const line = lineAt(end)
        end = source.offset + bytes
        if (columns === undefined) {
          columns = readHeading(record, line, problems)
          return null
        }
        const product = readRecord(record, line, columns, problems)
        if (product !== undefined) products.push(product)
        return null
      }
    })
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    problems.push({ line: lineAt(end), column: nameOf(columns, error.column), message: sentenceOf(error) })
  }
  if (columns === undefined && problems.length === 0) {
    problems.push({ line: 1, column: null, message: 'the file is empty: its first line has to name the columns' })
  }
  return { products, problems }
}

interface Column {
  heading: string
  /** Undefined for one that is already a problem, and for an empty heading. */
  field: string | undefined
}

function readHeading(record: string[], line: number, problems: CatalogueProblem[]): Column[] {
  const seen = new Map<string, string>()
  const columns = record.map((text): Column => {
    const heading = text.trim()
    if (heading === '') return { heading, field: undefined }
    const read = columnOf(heading)
    if ('problem' in read) {
      problems.push({ line, column: heading, message: read.problem })
      return { heading, field: undefined }
    }
    const twin = seen.get(read.field)
    if (twin !== undefined)
      problems.push({ line, column: heading, message: `the columns ${twin} and ${heading} are the same one` })
    seen.set(read.field, heading)
    return { heading, field: read.field }
  })
  if (problems.length === 0 && !seen.has('id') && !seen.has('slug'))
    problems.push({
      line,
      column: null,
      message: 'the file needs a column id or slug, by which products are found'
    })
  return columns
}

/** Undefined for a line of empty cells, as spreadsheets leave them at the end, and for a wrong one. */
function readRecord(
  record: string[],
  line: number,
  columns: Column[],
  problems: CatalogueProblem[]
): GivenProduct | undefined {
  if (record.every(text => text === '')) return undefined
  const beyond = record.slice(columns.length).some(text => text !== '')
  if (beyond || record.length < columns.length) {
    const message = `the line has ${record.length} cells and the heading ${columns.length}: put quotes around a text with a comma in it`
    problems.push({ line, column: null, message })
    return undefined
  }
  const cells = new Map<string, Cell>()
  columns.forEach(({ heading, field }, index) => {
    const text = record[index] ?? ''
    if (field !== undefined) cells.set(field, { column: heading, text })
    else if (heading === '' && text !== '')
      problems.push({ line, column: null, message: `cell ${index + 1} has no heading` })
  })
  return { line, cells }
}

/** The one of which the heading has most, outside of quotes. */
function delimiterOf(body: Buffer): string {
  const heading = /^[\r\n]*([^\r\n]*)/.exec(body.subarray(0, 10_000).toString())?.[1]?.replace(/"[^"]*"/g, '') ?? ''
  const counts = DELIMITERS.map(delimiter => ({ delimiter, count: heading.split(delimiter).length }))
  return counts.sort((a, b) => b.count - a.count)[0]?.delimiter ?? ','
}

/** Excel's "sep=;" before the heading. */
function withoutSeparatorLine(file: Buffer): { body: Buffer; offset: number } {
  const line = /^sep=.\r?\n/.exec(file.subarray(0, 10).toString())?.[0] ?? ''
  return { body: file.subarray(line.length), offset: line.length }
}

function nameOf(columns: Column[] | undefined, column: unknown): string | null {
  return typeof column === 'number' ? (columns?.[column]?.heading ?? null) : null
}

function sentenceOf(error: CsvError): string {
  switch (error.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'a quote is opened here and never closed'
    case 'INVALID_OPENING_QUOTE':
    case 'CSV_INVALID_CLOSING_QUOTE':
    case 'CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE':
      return 'a quote stands within a cell: put quotes around the whole cell, and two for each quote inside'
    default:
      return error.message
  }
}
