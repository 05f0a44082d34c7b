/** Text for a terminal, a file or a mail: what others have typed cannot move the cursor, or turn the text around. */
export function plainText(text: string): string {
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, harmless)
}

function harmless(character: string): string {
  return character === '\n' || character === '\t' ? character : '\ufffd'
}

/** Rows in columns as wide as their widest cell, the first row being their names. Columns in `right` end in line. */
export function tableLines(rows: string[][], right: readonly string[] = []): string[] {
  const names = rows[0] ?? []
  const widths = names.map((_, column) => Math.max(...rows.map(row => widthOf(row[column] ?? ''))))
  return rows.map(row => {
    const cells = names.map((name, column) => {
      const cell = oneLine(row[column] ?? '')
      const space = ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell)))
      return right.includes(name) ? `${space}${cell}` : `${cell}${space}`
    })
    return cells.join('  ').trimEnd()
  })
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ')
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
/** What terminals draw over two columns: https://www.unicode.org/reports/tr11/ */
const WIDE =
  /^(?:[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|\p{Emoji}\ufe0f)/u

function widthOf(text: string): number {
  return [...graphemes.segment(oneLine(text))].reduce((sum, { segment }) => sum + (WIDE.test(segment) ? 2 : 1), 0)
}
