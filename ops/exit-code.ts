/** What the exit codes of every command mean. */
export const exitCodes = {
  0: 'done',
  1: 'failed or refused; the message says why and what to do',
  2: 'the command line cannot be understood',
  3: 'could not finish; nothing is known to be wrong'
}

export const FAILED = 1
export const MISUSED = 2
/** Neither sound nor wrong: it was broken off, or lacks something. */
export const UNFINISHED = 3
