import { clearMessage, explain, money, post, signIn } from './common.js'

const cart = new Map(JSON.parse(sessionStorage.getItem('cart') ?? '[]'))
let products = []

async function load() {
  document.querySelector('#customer').textContent = await signIn()
  products = await allProducts()
  const list = document.querySelector('#products')
  list.replaceChildren(...products.map(card))
  render()
}

/** The catalogue travels by page. */
async function allProducts() {
  const all = []
  for (let path = 'api/products'; path !== undefined; ) {
    const answer = await fetch(path)
    const { data, next } = await answer.json()
    all.push(...data)
    path = next === null ? undefined : `api/products?cursor=${encodeURIComponent(next)}`
  }
  return all
}

/** A stock of null is not counted. */
function stockText({ stock }) {
  if (stock === null) return 'always in stock'
  return stock > 0 ? `${stock} in stock` : 'none in stock'
}

function card(product) {
  const canBuy = product.stock === null || product.stock > 0
  const item = document.createElement('li')
  item.className = 'product'
  item.dataset.slug = product.slug
  const image = Object.assign(document.createElement('img'), { alt: '' })
  // A path of the shop is below its base, like everything here.
  if (product.image !== null) image.src = product.image.replace(/^\//, '')
  const text = document.createElement('div')
  const add = Object.assign(document.createElement('button'), {
    textContent: canBuy ? 'Add to cart' : 'Sold out',
    disabled: !canBuy
  })
  add.addEventListener('click', () => change(product.id, 1))
  text.append(
    Object.assign(document.createElement('h2'), { textContent: product.name }),
    Object.assign(document.createElement('p'), { textContent: product.description }),
    Object.assign(document.createElement('span'), {
      className: 'price',
      textContent: money(product.price, product.currency)
    }),
    Object.assign(document.createElement('small'), { textContent: stockText(product) }),
    add
  )
  item.append(image, text)
  return item
}

function change(id, by) {
  const quantity = (cart.get(id) ?? 0) + by
  if (quantity > 0) cart.set(id, quantity)
  else cart.delete(id)
  sessionStorage.setItem('cart', JSON.stringify([...cart]))
  clearMessage()
  render()
}

function lines() {
  return [...cart].flatMap(([id, quantity]) => {
    const product = products.find(each => each.id === id)
    return product === undefined ? [] : [{ product, quantity }]
  })
}

function render() {
  const rows = lines().map(({ product, quantity }) => {
    const row = document.createElement('li')
    const less = Object.assign(document.createElement('button'), {
      textContent: '−',
      ariaLabel: `One ${product.name} less`
    })
    less.addEventListener('click', () => change(product.id, -1))
    const name = Object.assign(document.createElement('span'), { textContent: `${quantity} × ${product.name}` })
    const price = Object.assign(document.createElement('span'), {
      textContent: money(product.price * quantity, product.currency)
    })
    row.append(name, price, less)
    return row
  })
  document.querySelector('#cart').replaceChildren(...rows)
  const total = lines().reduce((sum, { product, quantity }) => sum + product.price * quantity, 0)
  document.querySelector('#total').textContent = money(total, products[0]?.currency ?? 'EUR')
  document.querySelector('#pay').disabled = rows.length === 0
}

document.querySelector('#pay').addEventListener('click', async event => {
  clearMessage()
  event.target.disabled = true
  event.target.textContent = 'Checking…'
  const items = lines().map(({ product, quantity }) => ({
    productId: product.id,
    name: product.name,
    price: product.price,
    quantity
  }))
  try {
    const checkout = await post('api/stripe/checkout', { items })
    const url = checkout.url ?? (await waitForUrl(checkout.checkoutId))
    location.assign(url)
  } catch (problem) {
    explain(problem)
    event.target.textContent = 'Pay'
    render()
  }
})

/** The workers took longer than the request waits: hear from the event stream when there is a page to pay at. */
function waitForUrl(checkoutId) {
  return new Promise((resolve, reject) => {
    const stream = new EventSource(`api/stripe/checkout/${checkoutId}/events`)
    stream.addEventListener('status', event => {
      const data = JSON.parse(event.data)
      if (data.url !== undefined) resolve(data.url)
      else if (data.error !== undefined) reject(data)
      else return
      stream.close()
    })
  })
}

load()
