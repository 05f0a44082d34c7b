import fc from 'fast-check'
import { type CatalogueItem, lineOf, type Shopper } from '../local/shopper.js'
import { newId } from '../shared/ids.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
let ada: Shopper
beforeAll(async () => {
  shop = await openShop('postgres')
  ada = await shop.customer('ada')
})
afterAll(() => shop.close())
beforeEach(() => shop.stack.services.db.prisma.product.deleteMany({ where: { items: { none: {} } } }))

interface Listed {
  data: CatalogueItem[]
  next: string | null
}

const list = (query: string, headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${shop.stack.api.port}/api/products${query}`, { headers })

async function read(query: string): Promise<Listed> {
  const response = await list(query)
  expect(response.status).toBe(200)
  return (await response.json()) as Listed
}

let slugs = 0
async function stock(names: string[], more: { active?: boolean } = {}): Promise<string[]> {
  const data = names.map(name => {
    const id = newId()
    return { id, slug: `9-${slugs++}-x`, name, price: 1_000n, currency: 'EUR', stock: 5, ...more }
  })
  await shop.stack.services.db.prisma.product.createMany({ data })
  return data.map(({ id }) => id)
}

/** All pages from the first one on; `between` happens before each but the first. */
async function walk(limit: number, filter = '', between: () => Promise<unknown> = async () => undefined) {
  const pages: CatalogueItem[][] = []
  for (let cursor = ''; ; ) {
    const { data, next } = await read(`?limit=${limit}&cursor=${cursor}${filter}`)
    pages.push(data)
    if (next === null) return pages
    cursor = next
    await between()
  }
}

const byName = (a: { name: string; id: string }, b: { name: string; id: string }) =>
  Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)) || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id))

/** Names that meet in case, in Unicode form and in what LIKE and cursors could take for more than text. */
const letter = fc.constantFrom(...'aAbé'.split(''), 'É', 'e\u0301', 'ß', 'Σ', 'ς', '%', '_', '\\', '"', "'", ' ', '🫖')
const name = fc.array(letter, { minLength: 1, maxLength: 5 }).map(letters => letters.join(''))

describe('pages', () => {
  it('hold every product once, by name, however large they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(name, { maxLength: 25 }), fc.integer({ min: 1, max: 8 }), async (names, limit) => {
        await shop.stack.services.db.prisma.product.deleteMany({ where: { items: { none: {} } } })
        const ids = await stock(names)
        await stock(['not for sale'], { active: false })
        const pages = await walk(limit)
        expect(pages.slice(0, -1).every(page => page.length === limit)).toBe(true)
        const all = pages.flat()
        expect(all.map(({ id }) => id).sort()).toEqual([...ids].sort())
        expect(all).toEqual([...all].sort(byName))
      }),
      { numRuns: 25 }
    )
  })

  it('neither repeat nor leave out what was there all along while products come and go', async () => {
    const ids = await stock(Array.from({ length: 30 }, (_, index) => `Product ${String(index % 15).padStart(2, '0')}`))
    const passing: string[] = []
    const seen = (
      await walk(4, '', async () => {
        await shop.stack.services.db.prisma.product.deleteMany({ where: { id: { in: passing.splice(0) } } })
        passing.push(...(await stock(['A first one', 'Product 07', 'Z last one'])))
      })
    ).flat()
    const kept = seen.filter(({ id }) => ids.includes(id))
    expect(kept.map(({ id }) => id).sort()).toEqual([...ids].sort())
  })

  it('of a hundred, and a way to the next one, are what a caller gets who says nothing', async () => {
    await stock(Array.from({ length: 101 }, (_, index) => `Product ${index}`))
    const response = await list('')
    const { data, next } = (await response.json()) as Listed
    expect(data).toHaveLength(100)
    const link = /^<(.+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1] ?? ''
    const following = await fetch(`http://127.0.0.1:${shop.stack.api.port}${link}`)
    expect(await following.json()).toEqual(await read(`?cursor=${next}`))
    expect(following.headers.get('link')).toBeNull()
    expect(await ada.products()).toHaveLength(101)
  })

  it('have their filters in the way to the next one', async () => {
    await stock(['Big mug', 'Mug', 'Small mug', 'Tray'])
    const response = await list('?q=mug&limit=2')
    const link = /^<(.+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1] ?? ''
    const following = (await (await fetch(`http://127.0.0.1:${shop.stack.api.port}${link}`)).json()) as Listed
    expect(following.data.map(each => each.name)).toEqual(['Small mug'])
  })

  it('are read by their index', async () => {
    await shop.stack.services.db.pool.query(
      `INSERT INTO "Product" ("id", "slug", "name", "price", "currency", "stock")
       SELECT 'cmany' || i, 'many-' || i, md5(i::text), 1000, 'EUR', 1 FROM generate_series(1, 10000) i`
    )
    const client = await shop.stack.services.db.pool.connect()
    // Ten thousand rows are few enough for the planner to read them all: whether it can go by the index is the question.
    const { rows } = await client
      .query('BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off')
      .then(() =>
        client.query(
          `EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM "Product" WHERE "active" AND ("name", "id") > ('8', '') ORDER BY "name", "id" LIMIT 101`
        )
      )
      .finally(() => client.query('ROLLBACK').finally(() => client.release()))
    expect(JSON.stringify(rows)).not.toContain('"Sort"')
    expect(JSON.stringify(rows)).toContain('Product_listed_idx')
    const { rows: valid } = await shop.stack.services.db.pool.query(
      `SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = '"Product_listed_idx"'::regclass`
    )
    expect(valid).toEqual([{ indisvalid: true }])
  })
})

describe('filters', () => {
  it('find a part of the name or of the slug, in any case and either Unicode form, each character as itself', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(name, { minLength: 1, maxLength: 12 }), name, async (names, part) => {
        await shop.stack.services.db.prisma.product.deleteMany({ where: { items: { none: {} } } })
        await stock(names)
        const forms = [part.normalize('NFC'), part.normalize('NFD')].map(form => form.toUpperCase())
        const expected = names.filter(each => forms.some(form => each.toUpperCase().includes(form)))
        const found = (await read(`?q=${encodeURIComponent(part)}`)).data.map(each => each.name)
        expect(found.sort()).toEqual(expected.sort())
      }),
      { numRuns: 60 }
    )
  })

  it('find by slug, several at once, and only what both filters say', async () => {
    const ids = await stock(['Cup', 'Tray', 'Lamp'])
    const { data } = await read('')
    const [cup, tray] = ids.map(id => data.find(each => each.id === id)?.slug)
    expect((await read(`?slug=${cup}&slug=${tray}&slug=unknown`)).data.map(({ id }) => id)).toEqual(ids.slice(0, 2))
    expect((await read(`?slug=${cup}&slug=${tray}&q=TRAY`)).data.map(({ id }) => id)).toEqual([ids[1]])
    expect((await read(`?q=${tray?.toUpperCase()}`)).data.map(({ id }) => id)).toEqual([ids[1]])
    expect((await read('?slug=%25')).data).toEqual([])
    expect((await read('?q=')).data).toHaveLength(3)
  })

  it.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=1e1', 'limit'],
    ['limit=%201', 'limit'],
    ['limit=', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['cursor=x', 'cursor'],
    [`cursor=${Buffer.from('["a"]').toString('base64url')}`, 'cursor'],
    [`cursor=${Buffer.from('["a\\u0000","b"]').toString('base64url')}`, 'cursor'],
    [`cursor=${Buffer.from('["\\ud800","b"]').toString('base64url')}`, 'cursor'],
    [`cursor=${Buffer.from('[1,2]').toString('base64url')}`, 'cursor'],
    ['q=a&q=b', 'q'],
    [`q=${'a'.repeat(101)}`, 'q'],
    ['q=%00', 'q'],
    ['slug=', 'slug.0'],
    ['slug=a%00', 'slug.0'],
    [Array.from({ length: 101 }, (_, index) => `slug=${index}`).join('&'), 'slug'],
    ['colour=red', 'colour'],
    ['q[]=a', 'q[]'],
    ['__proto__=a', '__proto__'],
    ['constructor=a', 'constructor']
  ])('are refused by name when they are not sound: #%#', async (query, path) => {
    const response = await list(`?${query}`)
    expect(response.status).toBe(400)
    const body = (await response.json()) as { type: string; errors: Record<string, string> }
    expect(body.type).toBe('urn:tillworks:problem:invalid_request')
    expect(Object.keys(body.errors)).toEqual([path])
  })
})

describe('what is kept of a page', () => {
  it('is asked for again each time, and travels again only when a stock or a product has changed', async () => {
    const [id = ''] = await stock(['Mug', 'Tray'])
    const first = await list('')
    const etag = first.headers.get('etag') ?? ''
    expect(first.headers.get('cache-control')).toBe('public, no-cache')
    expect(first.headers.get('vary')).toContain('Origin')
    for (const named of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const known = await list('', { 'If-None-Match': named })
      expect([known.status, await known.text(), known.headers.get('etag')]).toEqual([304, '', etag])
      expect(known.headers.get('cache-control')).toBe('public, no-cache')
    }
    expect((await list('?limit=1', { 'If-None-Match': etag })).status).toBe(200)

    const product = (await ada.products()).find(each => each.id === id) as CatalogueItem
    expect((await ada.checkout({ items: [lineOf(product, 2)] })).status).toBe(200)
    const changed = await list('', { 'If-None-Match': etag })
    expect(changed.status).toBe(200)
    const { data } = (await changed.json()) as Listed
    expect(data.find(each => each.id === id)?.stock).toBe(3)
  })

  it('can be compared and followed by another site of the shop', async () => {
    const origin = `http://localhost:${shop.stack.api.port}`
    const response = await list('', { Origin: origin })
    const exposed = response.headers.get('access-control-expose-headers')?.split(',') ?? []
    expect(exposed).toEqual(expect.arrayContaining(['ETag', 'Link']))
    const preflight = await fetch(`${origin}/api/products`, {
      method: 'OPTIONS',
      headers: {
        Origin: origin,
        'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': 'if-none-match'
      }
    })
    expect(preflight.headers.get('access-control-allow-headers')).toContain('If-None-Match')
  })
})
