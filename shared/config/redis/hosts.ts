/** Where a server listens. */
export interface Host {
  host: string
  port: number
}

/** `host`, `host:port` or `[IPv6]:port`; undefined for anything else. */
export function parseHost(text: string, defaultPort: number): Host | undefined {
  const found = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_.])?))(?::(\d{1,5}))?$/i.exec(text)
  if (found === null) return undefined
  const [, ip, name, digits] = found
  const port = digits === undefined ? defaultPort : Number(digits)
  return port >= 1 && port <= 65_535 ? { host: (ip ?? name) as string, port } : undefined
}

export function showHost({ host, port }: Host): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
