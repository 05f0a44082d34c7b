import { money, signIn } from './common.js'

const WORDS = {
  OPEN: ['Thank you', 'We are waiting to hear from the bank.'],
  PROCESSING: ['Thank you', 'Your bank debit is on its way. This page will tell when it has arrived.'],
  PAID: ['Paid. Thank you!', 'Your order is confirmed.'],
  FAILED: ['The payment failed', 'Nothing was charged. You can try again.'],
  EXPIRED: ['The payment page expired', 'Nothing was charged. You can try again.']
}

await signIn()
// All that Stripe's page hands on; the API knows the checkout by it.
const sessionId = new URLSearchParams(location.search).get('session_id')
if (sessionId === null) document.querySelector('#text').textContent = 'The address of this page names no payment.'
else await follow(sessionId)

async function follow(id) {
  const path = `api/stripe/checkout/${encodeURIComponent(id)}`
  const answer = await fetch(path)
  const { data, error } = await answer.json()
  if (!answer.ok) {
    document.querySelector('#title').textContent = 'We do not know this payment'
    document.querySelector('#text').textContent = error
    return
  }
  showOrder(data.orderId)
  const stream = new EventSource(`${path}/events`)
  stream.addEventListener('status', event => {
    const checkout = JSON.parse(event.data)
    showStatus(checkout)
    if (!['PAID', 'FAILED', 'EXPIRED', 'REJECTED'].includes(checkout.status)) return
    stream.close()
    if (checkout.status === 'PAID') sessionStorage.removeItem('cart')
  })
}

function showStatus({ status, orderId, orderStatus }) {
  const [title, text] = WORDS[status] ?? ['Thank you', '']
  document.querySelector('#title').textContent = title
  document.querySelector('#text').textContent = `${text} Order ${orderId ?? ''}`
  const badge = document.querySelector('#status')
  badge.textContent = orderStatus ?? status
  badge.className = `status ${status}`
  const line = document.createElement('li')
  line.textContent = `${new Date().toLocaleTimeString()}: checkout ${status}, order ${orderStatus}`
  document.querySelector('#history').append(line)
}

async function showOrder(orderId) {
  const answer = await fetch(`api/orders/${orderId}`)
  if (!answer.ok) return
  const { data: order } = await answer.json()
  const rows = order.items.map(({ name, quantity, price }) => [`${quantity} × ${name}`, price * quantity])
  rows.push(['Shipping', order.shipping], ['Total', order.total])
  document.querySelector('#bought').replaceChildren(
    ...rows.map(([what, amount]) => {
      const row = document.createElement('li')
      const cells = [what, money(amount, order.currency)]
      row.append(...cells.map(textContent => Object.assign(document.createElement('span'), { textContent })))
      return row
    })
  )
}
