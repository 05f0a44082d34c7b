import { money } from './common.js'

const EVERY_MS = 1_500

for (;;) {
  show(await (await fetch('demo/orders')).json())
  await new Promise(resolve => setTimeout(resolve, EVERY_MS))
}

function show(orders) {
  const none = Object.assign(document.createElement('p'), { textContent: 'None yet.' })
  document.querySelector('#orders').replaceChildren(...(orders.length === 0 ? [none] : orders.map(section)))
}

function section({ id, news }) {
  const block = document.createElement('section')
  const title = Object.assign(document.createElement('h2'), { textContent: `Order ${id}` })
  const latest = news.at(-1).data
  const status = Object.assign(document.createElement('div'), {
    className: `status ${latest.status}`,
    textContent: latest.status
  })
  const list = document.createElement('ol')
  list.append(...news.map(line))
  block.append(title, status, list)
  return block
}

function line({ type, timestamp, data }) {
  const amounts = `captured ${money(data.captured, data.currency)}, refunded ${money(data.refunded, data.currency)}`
  const textContent = `${new Date(timestamp).toLocaleTimeString()}: ${type}, ${amounts}`
  return Object.assign(document.createElement('li'), { textContent })
}
