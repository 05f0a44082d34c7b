import type { StoredProduct } from '../../../shared/rules/catalogue-product.js'
import { amountText } from './amount.js'
import { type Frame, Layout } from './layout.js'
import { Link } from './link.js'
import { Table } from './table.js'

interface Props {
  frame: Frame
  q: string
  products: StoredProduct[]
  /** After which product the next page begins; undefined on the last. */
  next: string | undefined
}

export function ProductsPage({ frame, q, products, next }: Props) {
  return (
    <Layout title="Products" frame={frame}>
      <h1>Products</h1>
      <form method="get" class="acts">
        <label for="product-q">Name or slug</label>
        <input id="product-q" name="q" type="text" value={q} />
        <button type="submit">Show</button>
        {frame.mayAct ? (
          <Link class="button" to="/ops/products/import">
            Import a file
          </Link>
        ) : null}
      </form>
      {products.length === 0 ? <p>There are none.</p> : null}
      <Table
        caption="Products by id"
        numeric={[2, 3, 4]}
        heads={['Name', 'Slug', 'Price', 'Stock', 'Reserved', 'Sold']}
        rows={products.map(each => [
          <Link key="n" to={`/ops/products/${each.id}`}>
            {each.name}
          </Link>,
          each.slug,
          amountText(each.price, each.currency),
          each.trackStock ? each.stock : 'not counted',
          each.reserved,
          each.active ? 'yes' : 'no'
        ])}
      />
      {next === undefined ? null : (
        <p>
          <Link to={`/ops/products?${new URLSearchParams({ q, after: next })}`}>More</Link>
        </p>
      )}
    </Layout>
  )
}
