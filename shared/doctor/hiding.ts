const SHORTEST = 6

/** Takes the values of secrets out of a text, and the passwords of those that are URLs. */
export function hiding(secrets: readonly string[]): (text: string) => string {
  const values = secrets
    .flatMap(secret => [secret, ...secret.split(',').map(part => part.trim()), ...passwordsOf(secret)])
    .filter(value => value.length >= SHORTEST)
    .sort((a, b) => b.length - a.length)
  return text => values.reduce((shown, value) => shown.replaceAll(value, '***'), text)
}

function passwordsOf(secret: string): string[] {
  // As it is written: passwords that should have been encoded are passwords, too.
  const password = /^[a-z][a-z0-9+.-]*:\/\/[^:@]*:(.*)@/is.exec(secret)?.[1] ?? ''
  return [password, decode(password)]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
