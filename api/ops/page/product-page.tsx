import type { StoredProduct } from '../../../shared/rules/catalogue-product.js'
import { amountText } from './amount.js'
import { FieldOf, Refusals } from './confirm.js'
import type { Field } from './forms.js'
import { type Frame, Layout } from './layout.js'
import { Link } from './link.js'

interface Props {
  frame: Frame
  product: StoredProduct
  values: Record<string, string>
  refusals: string[]
}

/** One product, with its price and stock to change. */
export function ProductPage({ frame, product, values, refusals }: Props) {
  const { currency, prices, reserved, trackStock } = product
  const fields: Field[] = [
    { name: 'price', label: `Price in ${currency}`, kind: 'text', required: true },
    ...Object.keys(prices).map(
      (code): Field => ({ name: `price.${code}`, label: `Price in ${code}`, kind: 'text', required: true })
    ),
    ...(trackStock
      ? [{ name: 'stock', label: 'Stock, reserved or not', kind: 'text', required: true } satisfies Field]
      : []),
    { name: 'active', label: 'It is sold', kind: 'checkbox' },
    { name: 'reason', label: 'Why?', kind: 'why', required: true, hint: 'It goes into the audit trail.' }
  ]
  return (
    <Layout title={product.name} frame={frame}>
      <h1>{product.name}</h1>
      <dl>
        <dt>Id</dt>
        <dd class="id">{product.id}</dd>
        <dt>Slug</dt>
        <dd>{product.slug}</dd>
        <dt>Price</dt>
        <dd>
          {[
            amountText(product.price, currency),
            ...Object.entries(prices).map(([code, amount]) => amountText(amount, code))
          ].join(', ')}
        </dd>
        <dt>Stock</dt>
        <dd>{trackStock ? `${product.stock}, of which ${reserved} reserved` : 'not counted'}</dd>
      </dl>
      <Refusals sentences={refusals} />
      {frame.mayAct ? (
        <form method="post" class="confirm">
          <input type="hidden" name="version" value={values.version} />
          {fields.map(field => (
            <FieldOf key={field.name} field={field} values={values} />
          ))}
          <p class="acts">
            <button type="submit">Save</button> <Link to="/ops/products">Go back</Link>
          </p>
        </form>
      ) : null}
    </Layout>
  )
}
