import { BY_HAND } from './support/settings.js'
import { openShop, type Shop } from './support/shop.js'

const MUG = '/ops/api/products/ctillworksmug00000000001'
let shop: Shop
let base: string
beforeAll(async () => {
  shop = await openShop('postgres', {
    ...BY_HAND,
    OPS_CATALOGUE_PASSWORD: 'password of the catalogue',
    OPS_VIEWER_PASSWORD: 'password of the viewer'
  })
  base = `http://127.0.0.1:${shop.stack.api.opsPort}`
})
afterAll(() => shop.close())

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  login = 'catalogue'
) {
  const response = await fetch(`${base}${path}`, {
    method,
    headers: {
      Authorization: `Basic ${Buffer.from(`${login}:password of the ${login}`).toString('base64')}`,
      'Content-Type': 'application/json',
      ...headers
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) })
  })
  const text = await response.text()
  const json = text.startsWith('{') ? JSON.parse(text) : text
  return { status: response.status, etag: response.headers.get('etag') ?? '', body: json }
}

it('lets one of two writers win', async () => {
  const { etag, body } = await ask('GET', MUG)
  expect(body.data).toMatchObject({ name: 'Stoneware mug', price: '19.99', stock: 40, reserved: 0 })
  expect((await ask('PATCH', MUG, { price: '20.00' })).status).toBe(428)
  const answers = await Promise.all(
    ['21.00', '22.00', '23.00'].map(price => ask('PATCH', MUG, { price }, { 'If-Match': etag }))
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412])
  const won = answers.find(({ status }) => status === 200)
  const now = await ask('GET', MUG)
  expect(now).toEqual(won)
  expect(now.body.data).toMatchObject({ name: 'Stoneware mug', stock: 40 })
  expect((await ask('PATCH', MUG, {}, { 'If-Match': now.etag })).etag).toBe(now.etag)
})

it('puts a whole product: what is not said is gone; and makes a new one only where there is none', async () => {
  const path = '/ops/api/products/cpushedproduct1'
  const product = { name: 'Teapot', description: 'Blue', price: '39.00', prices: { CHF: '38.00' }, stock: 4 }
  expect((await ask('PUT', path, product, { 'If-Match': '*' })).status).toBe(412)
  const made = await ask('PUT', path, product, { 'If-None-Match': '*' })
  expect(made).toMatchObject({ status: 201, body: { data: { id: 'cpushedproduct1', prices: { CHF: '38.00' } } } })
  expect((await ask('PUT', path, product, { 'If-None-Match': '*' })).status).toBe(412)
  const { etag } = made
  const put = await ask('PUT', path, { name: 'Teapot', price: '40.00', stock: 4 }, { 'If-Match': etag })
  expect(put).toMatchObject({ status: 200, body: { data: { description: null, prices: {}, price: '40.00' } } })
  expect(await ask('PUT', path, put.body.data, { 'If-Match': put.etag })).toEqual(put)
  expect(await ask('PUT', path, { ...put.body.data, prices: 5 }, { 'If-Match': put.etag })).toMatchObject({
    status: 400,
    body: { errors: { prices: expect.stringContaining('expected an object') } }
  })
  const wrong = await ask('PATCH', path, { price: '1,00', colour: 'red' }, { 'If-Match': put.etag })
  expect(wrong).toMatchObject({ status: 400, body: { errors: { price: expect.stringContaining('no price') } } })
  expect(Object.keys(wrong.body.errors)).toContain('colour')
  expect((await ask('PATCH', '/ops/api/products/cnobody0001', {}, { 'If-Match': '*' })).status).toBe(404)
})

it('takes many as JSON Lines, all of them or none, and writes down who', async () => {
  const lines = (price: string) =>
    Array.from({ length: 500 }, (_, index) =>
      JSON.stringify({ id: `cbulkproduct${index}`, name: `P ${index}`, price: index === 499 ? price : '1', stock: 1 })
    ).join('\n')
  const type = { 'Content-Type': 'application/x-ndjson' }
  expect(await ask('POST', '/ops/api/products', lines('x'), type)).toMatchObject({
    status: 400,
    body: { errors: { '500.price': expect.stringContaining('no price') } }
  })
  const { db } = shop.stack.services
  expect(await db.prisma.product.count({ where: { id: { startsWith: 'cbulk' } } })).toBe(0)
  expect(await ask('POST', '/ops/api/products?reason=push', lines('1'), type)).toMatchObject({
    status: 200,
    body: { data: { created: 500, changed: 0, unchanged: 0 } }
  })
  const trail = await db.prisma.paymentAuditLog.findMany({ where: { chain: 'product:cbulkproduct7' } })
  expect(trail).toMatchObject([{ action: 'product_created', metadata: { operator: 'catalogue', reason: 'push' } }])
  expect((await ask('POST', '/ops/api/products', lines('1'))).status).toBe(415)
})

it('lets the login of the catalogue to products and nowhere else, and a viewer change nothing', async () => {
  for (const path of ['/metrics', '/ops/board', '/ops/api/attention', '/', '/ops/api/productsx'])
    expect({ path, status: (await ask('GET', path)).status }).toEqual({ path, status: 403 })
  expect((await ask('GET', MUG, undefined, {}, 'viewer')).status).toBe(200)
  expect((await ask('PATCH', MUG, { price: '1' }, { 'If-Match': '*' }, 'viewer')).status).toBe(403)
  const foreign = { 'If-Match': '*', 'Sec-Fetch-Site': 'cross-site' }
  expect((await ask('PATCH', MUG, { price: '1' }, foreign)).status).toBe(403)
})

it('refuses a query that it cannot read, so that what was meant as a look changes nothing', async () => {
  const type = { 'Content-Type': 'application/x-ndjson' }
  const line = JSON.stringify({ id: 'clookedatonly1', name: 'Looked at', price: '1', stock: 1 })
  const queries = {
    'dry-run': ['dry-run', 'dry-run=1', 'dry-run=TRUE', 'dry-run=true&dry-run=true', 'dry-run[]=true'],
    dryRun: ['dryRun=true'],
    'deactivate-missing': ['deactivate-missing=yes', 'deactivate-missing=true&deactivate-missing=false'],
    reason: ['reason=%00', 'reason=a&reason=b']
  }
  for (const [name, wrong] of Object.entries(queries))
    for (const query of wrong) {
      const { status, body } = await ask('POST', `/ops/api/products?${query}`, line, type)
      expect({
        query,
        status,
        named: Object.keys(body.errors ?? {})
          .join()
          .startsWith(name)
      }).toEqual({
        query,
        status: 400,
        named: true
      })
    }
  const look = await ask('POST', '/ops/api/products?dry-run=true&deactivate-missing=false', line, type)
  expect(look).toMatchObject({ status: 200, body: { data: { created: 1, dryRun: true } } })
  expect((await ask('GET', '/ops/api/products/clookedatonly1')).status).toBe(404)
})

it('refuses an id or slug that is no text, in the path and in the body', async () => {
  for (const id of ['%00', 'c%00', 'mug%00'])
    for (const method of ['GET', 'PATCH', 'PUT'])
      expect({ id, method, status: (await send(method, id)).status }).toEqual({ id, method, status: 404 })
  const type = { 'Content-Type': 'application/x-ndjson' }
  for (const field of ['id', 'slug', 'name', 'description', 'image', 'price', 'stock'])
    for (const text of ['a\0', '\0', '\ud800', '__proto__\0']) {
      const product = { id: 'cnotextinhere1', name: 'N', price: '1', stock: 1, [field]: text }
      const { status } = await ask('POST', '/ops/api/products', JSON.stringify(product), type)
      expect({ field, text, status }).toEqual({ field, text, status: 400 })
    }

  async function send(method: string, id: string) {
    const body = method === 'GET' ? undefined : { name: 'N', price: '1', stock: 1 }
    return await ask(method, `/ops/api/products/${id}`, body, { 'If-None-Match': '*' })
  }
})
