import { remembered, signIn } from '/common.js'

const WORDS = {
  OPEN: ['Thank you', 'We are waiting to hear from the bank.'],
  PROCESSING: ['Thank you', 'Your bank debit is on its way. This page will tell when it has arrived.'],
  PAID: ['Paid. Thank you!', 'Your order is confirmed.'],
  FAILED: ['The payment failed', 'Nothing was charged. You can try again.'],
  EXPIRED: ['The payment page expired', 'Nothing was charged. You can try again.']
}

await signIn()
const id = remembered()
if (id === null) document.querySelector('#text').textContent = 'There is no checkout in this browser tab.'
else follow(id)

function follow(checkoutId) {
  const stream = new EventSource(`/api/stripe/checkout/${checkoutId}/events`)
  stream.addEventListener('status', event => {
    const { status, orderId, orderStatus } = JSON.parse(event.data)
    const [title, text] = WORDS[status] ?? ['Thank you', '']
    document.querySelector('#title').textContent = title
    document.querySelector('#text').textContent = `${text} Order ${orderId ?? ''}`
    const badge = document.querySelector('#status')
    badge.textContent = orderStatus ?? status
    badge.className = `status ${status}`
    const line = document.createElement('li')
    line.textContent = `${new Date().toLocaleTimeString()}: checkout ${status}, order ${orderStatus}`
    document.querySelector('#history').append(line)
    if (['PAID', 'FAILED', 'EXPIRED', 'REJECTED'].includes(status)) {
      stream.close()
      if (status === 'PAID') sessionStorage.removeItem('cart')
    }
  })
}
