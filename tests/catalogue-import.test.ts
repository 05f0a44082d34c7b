import fc from 'fast-check'
import { exportProducts } from '../shared/catalogue/export-products.js'
import { CatalogueRefused, type ImportOptions, importProducts } from '../shared/catalogue/import-products.js'
import { type FileFormat, fileFormats, formatOf, readProductFile } from '../shared/catalogue/product-file.js'
import { minor, toDecimalString } from '../shared/money.js'
import { findAuditProblems } from '../shared/statements/audit-trail.js'
import { furtherCurrencies, readProductTrail } from '../shared/statements/catalogue.js'
import { BY_HAND } from './support/settings.js'
import { openShop, type Shop } from './support/shop.js'

let shop: Shop
beforeAll(async () => {
  shop = await openShop('postgres', { ...BY_HAND, PRODUCT_ID_FORMAT: 'any' })
})
afterAll(() => shop.close())

const by: ImportOptions = { operator: 'olga', reason: 'a test' }
let format: FileFormat = 'csv'
beforeEach(() => {
  format = 'csv'
})

async function take(file: string | Buffer, options: Partial<ImportOptions> = {}) {
  return await importProducts(shop.stack.services, readProductFile(Buffer.from(file), format), { ...by, ...options })
}

/** The problems of a file, as "line, column: …"; nothing may have changed. */
async function refused(file: string | Buffer, options: Partial<ImportOptions> = {}): Promise<string> {
  const before = await snapshot()
  const error = await take(file, options).then(
    () => undefined,
    (reason: unknown) => reason
  )
  expect(error).toBeInstanceOf(CatalogueRefused)
  expect(await snapshot()).toEqual(before)
  return (error as CatalogueRefused).message
}

/** All that an import could change, the trail with it. */
async function snapshot() {
  const { pool } = shop.stack.services.db
  const products = await pool.query(
    'SELECT p.*, (SELECT jsonb_object_agg("currency", "amount") FROM "ProductPrice" WHERE "productId" = p."id") AS prices FROM "Product" p ORDER BY "id"'
  )
  const trail = await pool.query('SELECT count(*)::int AS rows FROM "PaymentAuditLog"')
  return { products: products.rows, trail: trail.rows }
}

async function product(id: string) {
  return (await snapshot()).products.find(row => row.id === id)
}

async function written(file: FileFormat): Promise<string> {
  const { pool } = shop.stack.services.db
  const pieces: string[] = []
  for await (const piece of exportProducts(pool, file, await furtherCurrencies(pool))) pieces.push(piece)
  return pieces.join('')
}

describe('an import of CSV', () => {
  it('adds and changes products by id or slug, and leaves what no column names', async () => {
    await take('id,slug,name,description,price,price_CHF,stock\ncsv-1,csv-one,Mug,"Thrown, by hand",19.99,18.50,40\n')
    expect(await product('csv-1')).toMatchObject({
      slug: 'csv-one',
      description: 'Thrown, by hand',
      price: 1999,
      currency: 'EUR',
      prices: { CHF: 1850 },
      stock: 40,
      trackStock: true,
      active: true
    })
    const { changes } = await take('slug,price\ncsv-one,21\n')
    expect(changes.map(({ before, after }) => ({ before, after }))).toEqual([
      { before: { price: 1999 }, after: { price: 2100 } }
    ])
    expect(await product('csv-1')).toMatchObject({ name: 'Mug', prices: { CHF: 1850 }, stock: 40 })
  })

  it('clears what an empty cell may clear', async () => {
    await take('id,name,description,image,price,price_CHF,stock,backorderLimit\ncsv-2,Lamp,Bright,/lamp.jpg,5,4,1,3\n')
    await take('id,description,image,price_CHF,backorderLimit\ncsv-2,,,,\n')
    expect(await product('csv-2')).toMatchObject({ description: null, image: null, prices: null, backorderLimit: 0 })
    const message = await refused('id,name,price,stock,active\ncsv-2,,,,\n')
    expect(message.match(/line 2, (name|price|stock|active)/g)).toHaveLength(4)
  })

  it('may have an empty stock where the line says that it is not counted, and nowhere else', async () => {
    await take('id,name,price,stock,trackStock\ncsv-4,Print,5,7,true\ncsv-5,Ebook,5,,false\n')
    expect(await product('csv-5')).toMatchObject({ stock: 0, trackStock: false })
    await take('id,stock,trackStock\ncsv-4,,no\n')
    expect(await product('csv-4')).toMatchObject({ stock: 7, trackStock: false })
    for (const flag of ['true', '', 'maybe'])
      expect(await refused(`id,stock,trackStock\ncsv-4,,${flag}\n`)).toContain('line 2, stock: must not be empty')
  })

  const rows = 'csv-3,"A ""good"" mug","first\r\nsecond"'
  it.each([
    ['LF', `id,name,description,price,stock\n${rows},1,1\n`],
    ['CR LF', `id,name,description,price,stock\r\n${rows},1,1\r\n`],
    ['CR', `id,name,description,price,stock\r${rows},1,1\r`],
    ['no end of the last line', `id,name,description,price,stock\n${rows},1,1`],
    ['a byte order mark', `\ufeffid,name,description,price,stock\n${rows},1,1\n`],
    ['other cases, spaces and underscores', `ID, Name ,DESCRIPTION,Price,STOCK\n${rows},1,1\n`],
    ['semicolons, as Excel writes them', `id;name;description;price;stock\n${rows.replaceAll(',', ';')};1;1\n`],
    [
      'semicolons and the line that says so',
      `sep=;\r\nid;name;description;price;stock\r\n${rows.replaceAll(',', ';')};1;1\r\n`
    ],
    ['tabs', `id\tname\tdescription\tprice\tstock\n${rows.replaceAll(',', '\t')}\t1\t1\n`],
    ['empty lines and lines of empty cells', `id,name,description,price,stock\n\n${rows},1,1\n,,,,\n\n`]
  ])('reads %s', async (_what, file) => {
    await take(file)
    expect(await product('csv-3')).toMatchObject({ name: 'A "good" mug', description: 'first\r\nsecond', price: 100 })
  })

  it.each([
    [
      'an unknown column',
      'id,nmae,price,stock\na,b,1,1\n',
      /line 1, nmae: there is no column "nmae"; did you mean name\?/
    ],
    ['a column without a near name', 'id,colour\na,b\n', /line 1, colour: .*The columns are id, slug, name/],
    ['a currency that is none', 'id,price_XYZ\na,1\n', /line 1, price_XYZ: XYZ is not a currency/],
    ['a column twice', 'id,name,Name\na,b,c\n', /line 1, Name: the columns name and Name are the same one/],
    ['no way to find products', 'name,price\na,1\n', /line 1: the file needs a column id or slug/],
    ['an empty file', '', /line 1: the file is empty/],
    ['cells without a heading', 'id,name,price,stock\na,b,1,1,x\n', /line 2: the line has 5 cells and the heading 4/],
    ['too few cells', 'id,name,price,stock\na,b\n', /line 2: the line has 2 cells and the heading 4/],
    [
      'a quote that is never closed',
      'id,name,price,stock\na,b,1,1\nc,"d,1,1\n',
      /line 3.*: a quote is opened here and never closed/
    ],
    ['a quote within a cell', 'id,name,price,stock\na,b"c",1,1\n', /line 2, name: a quote stands within a cell/],
    [
      'what is not UTF-8',
      Buffer.from('id,name,price,stock\na,b,1,1\nc,M\xfctze,1,1\n', 'latin1'),
      /line 3: a character is not UTF-8/
    ],
    ['UTF-16', Buffer.from('\ufeffid,name\n', 'utf16le'), /the file is UTF-16: save it as "CSV UTF-8"/],
    ['a NUL', 'id,name,price,stock\na,b\0,1,1\n', /line 2: there is a NUL/],
    ['no id and no slug', 'id,slug,name\n,,a\n', /line 2: names no product/],
    ['an id of another form', 'id,name,price,stock\na b,c,1,1\n', /line 2, id: "a b" is not 1 to 64 of letters/],
    ['a decimal comma', 'id;name;price;stock\na;b;19,99;1\n', /line 2, price: "19,99" is no price: write it as 19\.99/],
    ['a sign', 'id,name,price,stock\na,b,-1,1\n', /line 2, price: "-1" is no price/],
    ['a currency in the price', 'id,name,price,stock\na,b,€5,1\n', /line 2, price: "€5" is no price/],
    ['nothing to pay', 'id,name,price,stock\na,b,0.00,1\n', /line 2, price: a price has to be above zero/],
    [
      'too many decimals',
      'id,name,price,stock\na,b,1.999,1\n',
      /line 2, price: EUR has no price "1\.999": at most 2 decimals/
    ],
    [
      'decimals of a yen',
      'id,name,price,price_JPY,stock\na,b,1,10.5,1\n',
      /line 2, price_JPY: JPY has no price "10\.5": no decimals/
    ],
    [
      'more than there is money',
      'id,name,price,stock\na,b,99999999999999999999,1\n',
      /line 2, price: .* is more than Stripe takes/
    ],
    ['a new product without a name', 'id,price,stock\na,1,1\n', /line 2, name: is missing/],
    [
      'a new product without a price',
      'id,name,stock\na,b,1\n',
      /line 2, price: is missing: the product needs a price in EUR/
    ],
    ['a new product without a stock', 'id,name,price\na,b,1\n', /line 2, stock: is missing/],
    ['a stock that is none', 'id,name,price,stock\na,b,1,1.5\n', /line 2, stock: "1\.5" is not a whole number/],
    [
      'a flag that is none',
      'id,name,price,stock,active\na,b,1,1,maybe\n',
      /line 2, active: "maybe" is neither true nor false/
    ],
    ['an image that is none', 'id,name,price,stock,image\na,b,1,1,mug.jpg\n', /line 2, image: has to be a URL/],
    [
      'a slug that is no part of a URL',
      'id,slug,name,price,stock\na,b/c,d,1,1\n',
      /line 2, slug: stands in the address of a page/
    ],
    [
      'a name that is too long',
      `id,name,price,stock\na,${'x'.repeat(256)},1,1\n`,
      /line 2, name: is longer than 255 characters/
    ],
    [
      'one product twice',
      'id,name,price,stock\na,b,1,1\nc,d,1,1\na,e,1,1\n',
      /line 4, id: is the same product as line 2/
    ],
    ['one new slug twice', 'slug,name,price,stock\na,b,1,1\na,c,1,1\n', /line 3, slug: is the same product as line 2/],
    [
      'one slug of two ids',
      'id,slug,name,price,stock\na,x,b,1,1\nc,x,d,1,1\n',
      /line 3, slug: the slug "x" is that of line 2/
    ],
    [
      'the slug of another product',
      'id,slug,name,price,stock\na,olive-tree,b,1,1\n',
      /line 2, slug: the slug "olive-tree" is that of the product ctillworksplant000000004/
    ],
    [
      'the own currency twice',
      'id,name,price,price_EUR,stock\na,b,1,2,1\n',
      /line 2, price_EUR: the price in EUR is given twice/
    ]
  ])('refuses %s, says where, and changes nothing', async (_what, file, problem) => {
    expect(await refused(file)).toMatch(problem)
  })

  it('tells everything that is wrong at once, by line, the first fifty', async () => {
    const message = await refused(`id,name,price,stock\n${'x,y,z,-\n'.replace('x', 'p').repeat(60)}`)
    expect(message.split('\n')).toHaveLength(52)
    expect(message).toMatch(/… and \d+ more$/)
    const lines = await refused('id,name,price,stock\na,,x,y\n\nb,c,1,1\n"d\nd",e,1,1\nf,g,h,1\n')
    for (const place of ['line 2, name', 'line 2, price', 'line 2, stock', 'line 5, id', 'line 7, price'])
      expect(lines.split('\n').filter(line => line.includes(`${place}:`))).toHaveLength(1)
  })

  it('lets two products change slugs', async () => {
    await take('id,slug,name,price,stock\nswap-1,left,a,1,1\nswap-2,right,b,1,1\n')
    await take('id,slug\nswap-1,right\nswap-2,left\n')
    expect([(await product('swap-1')).slug, (await product('swap-2')).slug]).toEqual(['right', 'left'])
  })

  it('takes prices exactly, whatever the decimals of the currency', async () => {
    await take('id,name,price,currency,price_JPY,price_EUR,stock\nexact,a,1.990,KWD,500,4.35,1\n')
    expect(await product('exact')).toMatchObject({ price: 1990, currency: 'KWD', prices: { JPY: 500, EUR: 435 } })
    expect(await refused('id,price\nexact,2\n')).toMatch(
      /line 2, price: the product's price is in KWD and the shop's in EUR/
    )
    await take('id,price,currency\nexact,2,EUR\n')
    expect(await product('exact')).toMatchObject({ price: 200, currency: 'EUR', prices: { JPY: 500 } })
  })

  it('reads a flag as people, spreadsheets and PostgreSQL write it', async () => {
    for (const [yes, no] of [
      ['true', 'false'],
      ['TRUE', 'FALSE'],
      ['t', 'f'],
      ['yes', 'no'],
      ['on', 'off'],
      ['1', '0']
    ]) {
      await take(`id,name,price,stock,active\nflag-yes,a,1,1,${yes}\nflag-no,a,1,1,${no}\n`)
      expect([(await product('flag-yes'))?.active, (await product('flag-no'))?.active]).toEqual([true, false])
    }
  })

  it('says what would change and writes nothing in a dry run', async () => {
    const before = await snapshot()
    const { changes } = await take('id,name,price,stock\ndry,a,1,1\nctillworksmug00000000001,Mug,2,5\n', {
      dryRun: true
    })
    expect(changes.map(({ line }) => line)).toEqual([2, 3])
    expect(await snapshot()).toEqual(before)
  })
})

describe('an import of JSON Lines', () => {
  beforeEach(() => {
    format = 'jsonl'
  })

  it('reads prices as text or number, null as empty', async () => {
    await take(
      '{"id":"json-1","name":"Mug","description":"d","price":"19.99","prices":{"CHF":"18.50","JPY":2500},"stock":3}\r\n\n{"id":"json-2","name":"Song","price":0.99,"trackStock":false}'
    )
    expect(await product('json-1')).toMatchObject({ price: 1999, prices: { CHF: 1850, JPY: 2500 }, stock: 3 })
    expect(await product('json-2')).toMatchObject({ price: 99, trackStock: false, stock: 0 })
    await take('{"id":"json-1","description":null,"prices":{"JPY":null}}')
    expect(await product('json-1')).toMatchObject({ description: null, prices: { CHF: 1850 } })
  })

  it.each([
    ['a broken line', '{"id":"a"\n', /line 1: this is not JSON/],
    ['no object', '[1]\n', /line 1: this is a JSON array/],
    ['a text', '{"id":"b","name":"c","price":1,"stock":1}\n"a"', /line 2: a product is a JSON object/],
    ['an unknown field', '{"id":"a","nam":"b"}', /line 1, nam: .*did you mean name/],
    ['a number for a text', '{"id":"a","name":5}', /line 1, name: expected a text/],
    [
      'a text in a stock',
      '{"id":"a","name":"b","price":1,"stock":"many"}',
      /line 1, stock: "many" is not a whole number/
    ],
    ['a number for a flag', '{"id":"a","active":1}', /line 1, active: expected true or false/],
    ['prices that are none', '{"id":"a","prices":[1]}', /line 1, prices: expected an object such as/],
    ['a price of no currency', '{"id":"a","prices":{"ABC":1}}', /line 1, prices: ABC is not a currency/],
    [
      'digits that no cent has',
      '{"id":"a","name":"b","price":4.351,"stock":1}',
      /line 1, price: EUR has no price "4\.351"/
    ],
    ['a price beyond numbers', '{"id":"a","name":"b","price":1e30,"stock":1}', /line 1, price: "1e\+30" is no price/],
    [
      'half a character',
      '{"id":"a","name":"\\ud800","price":1,"stock":1}',
      /line 1, name: has a character that is no text/
    ]
  ])('refuses %s', async (_what, file, problem) => {
    expect(await refused(file)).toMatch(problem)
  })
})

it('knows a format by the name of the file or by what is in it', () => {
  const of = (name: string, text: string) => formatOf(name, Buffer.from(text))
  expect([of('a.csv', '{'), of('a.jsonl', 'id'), of('-', '\ufeff {"id":1}'), of('-', 'id,name')]).toEqual([
    'csv',
    'jsonl',
    'jsonl',
    'csv'
  ])
})

it('writes nothing for what stays as it is, and one row of the trail for each product that changes', async () => {
  const file = 'id,name,price,stock\ntrail-1,a,1,1\ntrail-2,b,2,2\n'
  await take(file)
  const before = await snapshot()
  expect(await take(file)).toEqual({ changes: [], unchanged: 2 })
  expect(await snapshot()).toEqual(before)
  await take('id,name,price,stock\ntrail-1,a,1,1\ntrail-2,b,3,2\n')
  const { pool } = shop.stack.services.db
  expect(await readProductTrail(pool, 'trail-1')).toMatchObject([
    { action: 'product_created', before: null, after: { id: 'trail-1', price: 100 }, metadata: { operator: 'olga' } }
  ])
  expect(await readProductTrail(pool, 'trail-2')).toMatchObject([
    { action: 'product_created' },
    {
      action: 'product_changed',
      before: { price: 200 },
      after: { id: 'trail-2', price: 300 },
      metadata: { operator: 'olga', reason: 'a test' }
    }
  ])
  expect(await findAuditProblems(pool)).toEqual([])
})

it('deactivates what a full file does not name, and nothing when there is no product in it', async () => {
  await take('id,name,price,stock\nfull-1,a,1,1\nfull-2,b,1,1\n')
  expect(await refused('id,name,price,stock\n', { deactivateMissing: true })).toMatch(/all would be deactivated/)
  const active = (await snapshot()).products.filter(row => row.active && row.id !== 'full-1').map(row => row.id)
  const { changes } = await take('id\nfull-1\n', { deactivateMissing: true })
  expect(changes.map(({ product }) => product.id).sort()).toEqual(active.sort())
  expect((await snapshot()).products.filter(row => row.active).map(row => row.id)).toEqual(['full-1'])
  // An export has the others, too, and says that they are not sold.
  await take(`id,active\n${active.map(id => `${id},true\n`).join('')}`)
})

describe.each(fileFormats)('an export as %s', exported => {
  const text = (most: number) =>
    fc
      .string({ minLength: 1, maxLength: most, unit: 'grapheme' })
      .filter(value => value.trim() !== '' && value.length <= 200 && !/(?![\t\n\r])\p{Cc}/u.test(value))
  const awkward = fc.constantFrom(
    '"',
    '""',
    'a,b',
    'a;b',
    'a\nb',
    'a\r\nb',
    'a\rb',
    '\t',
    ' x ',
    '=1+1',
    'null',
    "'",
    '\ufeffx',
    'é',
    'e\u0301',
    '0',
    'true',
    'sep=;'
  )
  const name = fc.oneof(
    text(40),
    awkward.filter(value => value.trim() !== '')
  )
  const currency = fc.constantFrom('EUR', 'CHF', 'JPY', 'KWD', 'ISK', 'USD')
  const amountIn = (code: string) =>
    fc.integer({ min: 1, max: 10_000_000 }).map(value => value * (code === 'KWD' ? 10 : code === 'ISK' ? 100 : 1))
  const generated = fc
    .record({
      id: fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/).filter(id => id !== '.' && id !== '..'),
      name,
      description: fc.option(fc.oneof(text(100), awkward)),
      image: fc.option(fc.constantFrom('/a.jpg', 'https://shop.example/a,b.jpg?x="1"')),
      currency,
      prices: fc.uniqueArray(currency),
      stock: fc.integer({ min: 0, max: 2_147_483_647 }),
      trackStock: fc.boolean(),
      backorderLimit: fc.integer({ min: 0, max: 1_000 }),
      active: fc.boolean()
    })
    .chain(each =>
      fc.tuple(amountIn(each.currency), ...each.prices.map(amountIn)).map(([price, ...further]) => ({
        ...each,
        price: toDecimalString(minor(price), each.currency),
        prices: Object.fromEntries(
          each.prices
            .map((code, index) => [code, toDecimalString(minor(further[index] as number), code)] as const)
            .filter(([code]) => code !== each.currency)
        )
      }))
    )

  it('is taken back unchanged, whatever is in the catalogue', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(generated, { selector: ({ id }) => id, minLength: 1, maxLength: 12 }),
        async products => {
          format = 'jsonl'
          await take(products.map(each => JSON.stringify(each)).join('\n'))
          const before = await snapshot()
          const byId = new Map(before.products.map(row => [row.id, row]))
          for (const { price: _, prices: __, ...fields } of products) expect(byId.get(fields.id)).toMatchObject(fields)
          format = exported
          expect(await take(await written(exported))).toMatchObject({ changes: [] })
          expect(await take(await written(exported), { deactivateMissing: true })).toMatchObject({ changes: [] })
          expect(await snapshot()).toEqual(before)
        }
      ),
      { numRuns: Number(process.env.PROPERTY_RUNS ?? 15) }
    )
  })

  it('is taken back with what somebody has put into the database that an import would refuse', async () => {
    await shop.stack.services.db.pool.query(
      `INSERT INTO "Product" ("id", "slug", "name", "description", "image", "price", "currency", "stock")
       VALUES ('of old ${exported}', 'a slug/${exported}', '${'x'.repeat(300)}', '', 'mug.jpg', 5, 'EUR', 1)`
    )
    format = exported
    expect(await take(await written(exported))).toMatchObject({ changes: [] })
  })
})
