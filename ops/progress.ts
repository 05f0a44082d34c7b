/** One line at a terminal that is written over; nothing elsewhere. */
export function showProgress() {
  const write = (line: string) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`)
  }
  return { show: write, clear: () => write('') }
}
