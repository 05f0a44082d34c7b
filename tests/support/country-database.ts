// A writer for the smallest databases of https://maxmind.github.io/MaxMind-DB/: IPv4, and one country for a whole /8.

/** `networks` maps the first number of an address to a country. */
export function countryDatabase(networks: Record<number, string>): Buffer {
  const countries = [...new Set(Object.values(networks))]
  const data = countries.map(country => map({ country: map({ iso_code: text(country) }) }))
  const offsets = new Map(countries.map((country, index) => [country, Buffer.concat(data.slice(0, index)).length]))
  const tree: [Branch, Branch][] = [[undefined, undefined]]
  for (const [first, country] of Object.entries(networks)) insert(tree, Number(first), country)
  const record = (branch: Branch): number => {
    if (branch === undefined) return tree.length
    return typeof branch === 'number' ? branch : tree.length + 16 + (offsets.get(branch) ?? 0)
  }
  const nodes = tree.map(([left, right]) => Buffer.concat([uint24(record(left)), uint24(record(right))]))
  const metadata = map({
    node_count: uint(6, 4, tree.length),
    record_size: uint(5, 2, 24),
    ip_version: uint(5, 2, 4),
    database_type: text('Test-Country'),
    languages: Buffer.from([0x00, 0x04]),
    binary_format_major_version: uint(5, 2, 2),
    binary_format_minor_version: uint(5, 2, 0),
    build_epoch: extended(9, 4, 1_764_000_000),
    description: map({})
  })
  const marker = Buffer.concat([Buffer.from([0xab, 0xcd, 0xef]), Buffer.from('MaxMind.com')])
  return Buffer.concat([...nodes, Buffer.alloc(16), ...data, marker, metadata])
}

/** A node's number, or a country, or nothing. */
type Branch = number | string | undefined

function insert(tree: [Branch, Branch][], first: number, country: string): void {
  let node = 0
  for (let bit = 7; bit >= 0; bit--) {
    const side = ((first >> bit) & 1) as 0 | 1
    const branches = tree[node] as [Branch, Branch]
    if (bit === 0) {
      branches[side] = country
      return
    }
    const next = branches[side]
    if (typeof next === 'number') node = next
    else {
      tree.push([undefined, undefined])
      node = tree.length - 1
      branches[side] = node
    }
  }
}

function map(entries: Record<string, Buffer>): Buffer {
  const pairs = Object.entries(entries).flatMap(([key, value]) => [text(key), value])
  return Buffer.concat([Buffer.from([(7 << 5) | Object.keys(entries).length]), ...pairs])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  // Lengths from 29 on take a byte of their own.
  const head = bytes.length < 29 ? [(2 << 5) | bytes.length] : [(2 << 5) | 29, bytes.length - 29]
  return Buffer.concat([Buffer.from(head), bytes])
}

function uint(type: number, size: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([(type << 5) | size]), bigEndian(size, value)])
}

function extended(type: number, size: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([size, type - 7]), bigEndian(size, value)])
}

function uint24(value: number): Buffer {
  return bigEndian(3, value)
}

function bigEndian(size: number, value: number): Buffer {
  const bytes = Buffer.alloc(size)
  bytes.writeUIntBE(value, 0, size)
  return bytes
}
