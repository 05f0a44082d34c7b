const MOST = 60

/** What a file says, as a message can show it: in one line, and not all of a long text. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > MOST ? `${text.slice(0, MOST)}…` : text)
}
