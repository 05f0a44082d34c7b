import { randomUUID } from 'node:crypto'
import { newId } from '../ids.js'
import { differences, type Product, type ProductState, type StoredProduct } from '../rules/catalogue-product.js'
import { type ProductIdFormat, productIdWords, readProductId } from '../rules/product-id.js'
import { MAX_COUNT, textProblem } from '../rules/product-values.js'
import { ADDED_STOCK, type CatalogueProblem } from './given-product.js'
import { quoted } from './quoted.js'
import type { WantedProduct } from './wanted-product.js'

/** One product that becomes other than it was; `before` is null for a new one. */
export interface ProductChange {
  line: number | null
  product: Product
  before: ProductState | null
  after: ProductState
  /** Whether the id was made here: it is another one each time. */
  isIdMade?: boolean
}

export interface CatalogueChange {
  changes: ProductChange[]
  unchanged: number
}

export interface ChangeRules {
  shopCurrency: string
  idFormat: ProductIdFormat
  /** Whether products that no line names are to be deactivated. */
  deactivateMissing: boolean
}

/**
 * What the wanted products make of the stored ones, which have to be all that a line names, by id or slug, and all active
 * ones when missing ones are deactivated. Everything that cannot be is a problem of its line.
 */
export function catalogueChange(
  wanted: WantedProduct[],
  stored: StoredProduct[],
  rules: ChangeRules,
  refuse: (problem: CatalogueProblem) => void
): CatalogueChange {
  const find = finder(stored, rules)
  const pairs = wanted.flatMap(each => {
    const match = find(each, problem => refuse({ line: each.line, ...problem }))
    return match === undefined ? [] : [{ wanted: each, ...match }]
  })
  refuseTwins(pairs, refuse)
  refuseTakenSlugs(pairs, stored, refuse)
  const changes: ProductChange[] = []
  for (const pair of pairs) {
    const problems: Omit<CatalogueProblem, 'line'>[] = []
    const product = productOf(pair, rules, problem => problems.push(problem))
    for (const problem of problems) refuse({ line: pair.wanted.line, ...problem })
    const change = product && changeOf(product, pair.before)
    const isIdMade = pair.before === undefined && pair.wanted.id === undefined
    if (change !== undefined && problems.length === 0) changes.push({ line: pair.wanted.line, ...change, isIdMade })
  }
  const unchanged = pairs.length - changes.length
  if (!rules.deactivateMissing) return { changes, unchanged }
  const named = new Set(pairs.map(pair => pair.id))
  const missing = stored.filter(product => product.active && !named.has(product.id))
  const deactivated = missing.map(before => ({ line: null, ...changeOf({ ...before, active: false }, before) }))
  return { changes: [...changes, ...(deactivated as ProductChange[])], unchanged }
}

/** The product that one line is about. */
interface Pair {
  wanted: WantedProduct
  id: string
  before: StoredProduct | undefined
}

type Refuse = (problem: Omit<CatalogueProblem, 'line'>) => void

function finder(stored: StoredProduct[], { idFormat }: ChangeRules) {
  const byId = new Map(stored.map(product => [product.id, product]))
  const bySlug = new Map(stored.map(product => [product.slug, product]))
  return (wanted: WantedProduct, refuse: Refuse): Omit<Pair, 'wanted'> | undefined => {
    if (wanted.id === undefined) {
      if (wanted.slug === undefined) {
        refuse({ column: null, message: 'names no product: give an id or a slug' })
        return undefined
      }
      const before = bySlug.get(wanted.slug)
      return { id: before?.id ?? (idFormat === 'uuid' ? randomUUID() : newId()), before }
    }
    const id = readProductId(wanted.id, idFormat)
    const before = byId.get(wanted.id) ?? (id === undefined ? undefined : byId.get(id))
    if (before !== undefined) return { id: before.id, before }
    if (id !== undefined) return { id, before: undefined }
    const message = `${quoted(wanted.id)} is not ${productIdWords[idFormat]} (PRODUCT_ID_FORMAT=${idFormat})`
    refuse({ column: wanted.columnOf('id'), message })
    return undefined
  }
}

function refuseTwins(pairs: Pair[], refuse: (problem: CatalogueProblem) => void): void {
  const lines = new Map<string, number>()
  const fresh = new Map<string, number>()
  for (const { wanted, id, before } of pairs) {
    // New products have no id in common: their slug tells.
    const [seen, key] = before === undefined && wanted.id === undefined ? [fresh, wanted.slug ?? ''] : [lines, id]
    const first = seen.get(key)
    const column = wanted.columnOf(wanted.id === undefined ? 'slug' : 'id')
    if (first !== undefined) refuse({ line: wanted.line, column, message: `is the same product as line ${first}` })
    else seen.set(key, wanted.line)
  }
}

/** As all of them will be, so that two products can change slugs. */
function refuseTakenSlugs(pairs: Pair[], stored: StoredProduct[], refuse: (problem: CatalogueProblem) => void): void {
  const moves = new Set(pairs.filter(pair => pair.before && slugOf(pair) !== pair.before.slug).map(pair => pair.id))
  const owners = new Map(stored.filter(({ id }) => !moves.has(id)).map(({ id, slug }) => [slug, { id, line: 0 }]))
  for (const pair of pairs) {
    const { wanted, id } = pair
    const slug = slugOf(pair)
    const owner = owners.get(slug)
    if (owner === undefined) owners.set(slug, { id, line: wanted.line })
    else if (owner.id !== id) {
      const whose = owner.line > 0 ? `line ${owner.line}` : `the product ${owner.id}`
      const message = `the slug ${quoted(slug)} is that of ${whose}: give another one, or the id of the product that is meant`
      refuse({ line: wanted.line, column: wanted.columnOf('slug'), message })
    }
  }
}

/** A new product without a slug is known by its id. */
function slugOf({ wanted, id, before }: Pair): string {
  return wanted.slug ?? before?.slug ?? id
}

function changeOf(product: Product, before: StoredProduct | undefined): Omit<ProductChange, 'line'> | undefined {
  if (before === undefined) return { product, before: null, after: product }
  const found = differences(before, product)
  return found && { product, ...found }
}

/** The product as it will be; undefined when what it costs cannot be said. */
function productOf(pair: Pair, rules: ChangeRules, refuse: Refuse): Product | undefined {
  const { wanted, id, before } = pair
  const money = pricesOf(wanted, before, rules, refuse)
  const product: Omit<Product, 'price' | 'currency' | 'prices'> = {
    id,
    slug: slugOf(pair),
    name: wanted.name ?? before?.name ?? '',
    description: kept(wanted.description, before?.description),
    image: kept(wanted.image, before?.image),
    stock: (wanted.stock ?? before?.stock ?? 0) + (wanted.addedStock ?? 0),
    trackStock: wanted.trackStock ?? before?.trackStock ?? !(wanted.uncountedWhenNew && wanted.stock === undefined),
    backorderLimit: wanted.backorderLimit ?? before?.backorderLimit ?? 0,
    active: wanted.active ?? before?.active ?? true
  }
  for (const field of ['slug', 'name', 'description', 'image'] as const) {
    const text = product[field]
    // What stands in the database is not judged again.
    if (text === null || text === before?.[field] || wanted[field] === undefined) continue
    const problem = textProblem(field, text)
    if (problem !== undefined) refuse({ column: wanted.columnOf(field), message: problem })
  }
  if (product.stock > MAX_COUNT) refuse({ column: wanted.columnOf('stock'), message: 'is more than can be counted' })
  if (before === undefined) refuseIncomplete(wanted, product.trackStock, refuse)
  else refuseReserved(wanted, product, before, refuse)
  return money && { ...product, ...money }
}

/** An empty text that somebody has put into the database is as good as none. */
function kept(wanted: string | null | undefined, before: string | null = null): string | null {
  return wanted === undefined || (wanted === null && before === '') ? before : wanted
}

function refuseIncomplete(wanted: WantedProduct, trackStock: boolean, refuse: Refuse): void {
  if (wanted.name === undefined) refuse({ column: 'name', message: 'is missing: a new product needs a name' })
  if (trackStock && wanted.stock === undefined && !wanted.unreadable.has('stock'))
    refuse({ column: 'stock', message: 'is missing: a new product needs a stock, or trackStock false' })
}

/** Stock that open checkouts hold is as good as sold. */
function refuseReserved(
  wanted: WantedProduct,
  product: Pick<Product, 'stock' | 'trackStock' | 'backorderLimit'>,
  before: StoredProduct,
  refuse: Refuse
): void {
  const fields = ['stock', 'trackStock', 'backorderLimit'] as const
  const changed = fields.find(field => product[field] !== before[field])
  if (changed === undefined || !product.trackStock) return
  const { reserved } = before
  if (product.stock - reserved >= -product.backorderLimit) return
  const least = Math.max(0, reserved - product.backorderLimit)
  const why = reserved > 0 ? `open checkouts have reserved ${reserved}` : `${-product.stock} are sold beyond the stock`
  const backorders = product.backorderLimit > 0 ? ` and ${product.backorderLimit} may be sold beyond the stock` : ''
  const message =
    changed === 'stock'
      ? `${product.stock} is too low: ${why}${backorders}, so that ${least} is the least (the stock counts what is reserved)`
      : `cannot be so now: the stock is ${product.stock}, ${why}${backorders}`
  const isAdded = changed === 'stock' && wanted.addedStock !== undefined
  refuse({ column: wanted.columnOf(isAdded ? ADDED_STOCK : changed), message })
}

/** The product's own price and those in further currencies. */
function pricesOf(
  wanted: WantedProduct,
  before: StoredProduct | undefined,
  { shopCurrency }: ChangeRules,
  refuse: Refuse
): Pick<Product, 'price' | 'currency' | 'prices'> | undefined {
  const own = wanted.currency ?? (before === undefined || wanted.price !== undefined ? shopCurrency : before.currency)
  if (before !== undefined && wanted.currency === undefined && own !== before.currency) {
    const message = `the product's price is in ${before.currency} and the shop's in ${own}: say which in a column currency`
    refuse({ column: wanted.columnOf('price'), message })
    return undefined
  }
  // An empty cell of the own currency says nothing: a file has one column for the products of every currency.
  const further = wanted.prices.get(own) ?? undefined
  if (further !== undefined && wanted.price !== undefined && further !== wanted.price) {
    refuse({ column: wanted.columnOf(`price_${own}`), message: `the price in ${own} is given twice, and differs` })
    return undefined
  }
  const price = wanted.price ?? further ?? (before?.currency === own ? before.price : undefined)
  if (price === undefined) {
    const isKnown = ['price', 'currency', `price_${own}`].some(field => wanted.unreadable.has(field))
    if (!isKnown) refuse({ column: 'price', message: `is missing: the product needs a price in ${own}` })
    return undefined
  }
  const prices = new Map(Object.entries(before?.prices ?? {}))
  for (const [currency, amount] of wanted.prices) {
    if (amount === null) prices.delete(currency)
    else prices.set(currency, amount)
  }
  prices.delete(own)
  return { price, currency: own, prices: Object.fromEntries([...prices].sort(([a], [b]) => a.localeCompare(b))) }
}
