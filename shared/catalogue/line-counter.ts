const LF = 0x0a
const CR = 0x0d

/**
 * Tells in which line what follows a place begins, blank lines passed over; for places that only go forward. Lines end with
 * LF, CR LF or CR. (csv-parse counts a CR LF within quotes as two.)
 */
export function lineCounter(file: Buffer): (place: number) => number {
  let line = 1
  let at = 0
  return place => {
    const isBreak = (byte: number | undefined) => byte === LF || byte === CR
    while (at < file.length && (at < place || isBreak(file[at]))) {
      if (file[at] === LF || (file[at] === CR && file[at + 1] !== LF)) line++
      at++
    }
    return line
  }
}
