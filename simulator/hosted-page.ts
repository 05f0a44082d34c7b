import type { IncomingMessage, ServerResponse } from 'node:http'
import type Stripe from 'stripe'
import type { Account } from './account.js'
import { readBody } from './api.js'
import type { Payer } from './charges.js'
import { written } from './currencies.js'
import { isEmail } from './email.js'
import { type Html, html } from './html.js'
import { completeFreeSession, getSession, paySession, scheduleDebit } from './sessions.js'
import { findCard, findIban, hasCheckDigit, looksLikeIban } from './test-cards.js'
import { applyPromotionCode } from './totals.js'

/**
 * The payment page of a Session: a form for people, and a form post for scripts (fields: number, exp, cvc, email, name, phone).
 * `wallet` = link pays with the card as one that Link has kept. A payment answers 303 to the success URL; a decline answers 402 with the page.
 */
export async function handlePage(
  account: Account,
  sessionId: string,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> {
  const session = account.store.table('checkout.session').get(sessionId)
  if (session === undefined) return sendPage(response, 404, notice('There is no such payment page.', undefined))
  getSession(account, sessionId)
  if (session.status === 'expired')
    return sendPage(response, 410, notice('This payment page has expired.', session.cancel_url))
  if (session.status === 'complete') {
    if (request.method === 'POST') return redirect(response, successUrl(session))
    return sendPage(response, 200, notice('This has been paid already.', successUrl(session)))
  }
  if (request.method !== 'POST') return sendPage(response, 200, payPage(account, session))
  pay(account, session, new URLSearchParams(await readBody(request)), response)
}

function pay(
  account: Account,
  session: Stripe.Checkout.Session,
  form: URLSearchParams,
  response: ServerResponse
): void {
  const number = form.get('number') ?? ''
  const refuse = (message: string) => sendPage(response, 402, payPage(account, session, message, form))
  const email = session.customer_email ?? form.get('email') ?? ''
  if (!isEmail(email)) return refuse('Your email is incomplete.')
  const phone = session.phone_number_collection?.enabled ? form.get('phone') || null : null
  const payer = { email, name: form.get('name') || 'Test Customer', phone }
  const code = form.get('promotion_code') ?? ''
  if (code !== '' && !applyPromotionCode(account, session, code)) return refuse('This promotion code is invalid.')
  if (session.amount_total === 0) {
    completeFreeSession(account, session, payer)
    return redirect(response, successUrl(session))
  }

  if (looksLikeIban(number)) {
    const iban = findIban(number)
    if (iban === undefined)
      return refuse('This IBAN is not one of Stripe’s test IBANs, such as DE89370400440532013000.')
    if (!session.payment_method_types.includes('sepa_debit')) return refuse('This shop takes no bank debits here.')
    const digits = number.replace(/\s/g, '')
    paySession(account, session, {
      ...payer,
      method: { type: 'sepa_debit', last4: digits.slice(-4), country: digits.slice(0, 2).toUpperCase() }
    })
    scheduleDebit(account, session, iban.succeeds)
    return redirect(response, successUrl(session))
  }

  const card = findCard(number)
  if (card === undefined) return refuse(cardProblem(number))
  const byLink = form.get('wallet') === 'link'
  if (byLink && !offersLink(session)) return refuse('This shop takes no payments by Link here.')
  // Link keeps the customer's cards and signs the customer in by itself.
  const isAsked = !byLink && session.payment_method_options?.card?.request_three_d_secure !== 'automatic'
  if ((card.authenticate || isAsked) && form.get('authenticated') === null)
    return sendPage(response, 200, authenticationPage(session, form))
  if (form.get('authenticated') === 'no')
    return refuse(
      'We are unable to authenticate your payment method. Please choose a different payment method and try again.'
    )
  const [month, year] = readExpiry(form.get('exp'))
  const method: Payer['method'] = {
    type: 'card',
    card,
    last4: number.replace(/\D/g, '').slice(-4),
    expMonth: month,
    expYear: year
  }
  const result = paySession(account, session, { ...payer, method })
  if (!result.paid) return refuse(result.message)
  redirect(response, successUrl(session))
}

function offersLink(session: Stripe.Checkout.Session): boolean {
  return session.wallet_options?.link?.display !== 'never'
}

function cardProblem(number: string): string {
  const digits = number.replace(/\D/g, '')
  if (digits.length < 12) return 'Your card number is incomplete.'
  if (!hasCheckDigit(digits)) return 'Your card number is invalid.'
  return 'Your card was declined. Your request was in test mode, but used a non test card. For a list of valid test cards, visit: https://stripe.com/docs/testing.'
}

function readExpiry(text: string | null): [number, number] {
  const match = /^\s*(\d{1,2})\s*\/\s*(\d{2}|\d{4})\s*$/.exec(text ?? '')
  if (match === null) return [12, new Date().getUTCFullYear() + 3]
  const year = Number(match[2])
  return [Number(match[1]), year < 100 ? 2000 + year : year]
}

function successUrl(session: Stripe.Checkout.Session): string {
  return (session.success_url ?? '/').replaceAll('{CHECKOUT_SESSION_ID}', session.id)
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { Location: location, 'Cache-Control': 'no-store' })
  response.end()
}

function sendPage(response: ServerResponse, status: number, page: Html): void {
  response.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'"
  })
  response.end(page.text)
}

function money(amount: number | null, currency: string | null): string {
  return written(amount ?? 0, currency ?? 'eur')
}

const STYLE = html`<style>
  :root { color-scheme: light; font: 16px/1.5 system-ui, 'DejaVu Sans', sans-serif; color: #1a2233 }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f2f4f8 }
  .test { position: fixed; top: 0; left: 0; right: 0; background: #ffdfb3; color: #693800; text-align: center; font-size: 13px; padding: 4px }
  main { background: #fff; border-radius: 14px; box-shadow: 0 8px 40px #1a223318; display: grid; grid-template-columns: 1fr 1fr; width: min(920px, 94vw); overflow: hidden; margin: 48px 0 }
  main.small { grid-template-columns: 1fr; width: min(460px, 94vw); padding: 32px; box-sizing: border-box }
  section { padding: 36px } .summary { background: #f8f9fc; border-right: 1px solid #e6e9f0 }
  h1 { font-size: 15px; font-weight: 600; color: #5b6478; margin: 0 } .total { font-size: 34px; font-weight: 700; margin: 4px 0 24px }
  ul { list-style: none; padding: 0; margin: 0 } li { display: flex; justify-content: space-between; gap: 16px; padding: 8px 0; border-top: 1px solid #e6e9f0 } li small { color: #5b6478; display: block }
  label { display: block; font-size: 13px; font-weight: 600; margin: 14px 0 4px } input { width: 100%; box-sizing: border-box; font: inherit; padding: 10px 12px; border: 1px solid #cdd3e0; border-radius: 8px }
  input:focus { outline: 2px solid #0a6cff55; border-color: #0a6cff } .row { display: grid; grid-template-columns: 1fr 1fr; gap: 12px }
  button { width: 100%; margin-top: 22px; padding: 13px; font: inherit; font-weight: 600; border: 0; border-radius: 8px; background: #0a5be0; color: #fff; cursor: pointer } button:hover { background: #084bbb } button.plain { background: #e6e9f0; color: #1a2233; margin-top: 10px }
  .error { background: #fdecec; color: #a1161d; border-radius: 8px; padding: 10px 12px; font-size: 14px } a { color: #0a5be0 } details { margin-top: 18px; font-size: 13px; color: #5b6478 } code { font-size: 12px }
  @media (max-width: 700px) { main { grid-template-columns: 1fr } .summary { border: 0 } }
</style>`

function page(title: string, body: Html): Html {
  return html`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title>${STYLE}</head><body><div class="test">TEST MODE: a local simulator of Stripe Checkout. No money moves.</div>${body}</body></html>`
}

function notice(text: string, link: string | null | undefined): Html {
  return page(
    'Payment',
    html`<main class="small"><p>${text}</p>${link ? html`<a href="${link}">Back to the shop</a>` : ''}</main>`
  )
}

function payPage(account: Account, session: Stripe.Checkout.Session, problem?: string, form?: URLSearchParams): Html {
  const items = account.store.lineItems.get(session.id) ?? []
  const shipping = session.total_details?.amount_shipping ?? 0
  const value = (field: string) => form?.get(field) ?? ''
  return page(
    'Pay',
    html`<main>
      <section class="summary"><h1>Pay Tillworks demo</h1><div class="total">${money(session.amount_total, session.currency)}</div>
        <ul>${items.map(item => html`<li><span>${item.description}<small>Qty ${item.quantity}</small></span><span>${money(item.amount_total, item.currency)}</span></li>`)}
        ${shipping > 0 ? html`<li><span>Delivery</span><span>${money(shipping, session.currency)}</span></li>` : ''}</ul>
        ${session.cancel_url ? html`<p><a id="cancel" href="${session.cancel_url}">← Back to the shop</a></p>` : ''}
      </section>
      <section><form method="post"><h1>Payment details</h1>
        ${problem ? html`<p class="error" role="alert">${problem}</p>` : ''}
        <label for="email">Email</label>${
          session.customer_email
            ? html`<input id="email" value="${session.customer_email}" disabled>`
            : html`<input id="email" name="email" type="email" value="${value('email')}" required>`
        }
        <label for="number">Card number or IBAN</label><input id="number" name="number" inputmode="text" autocomplete="off" placeholder="4242 4242 4242 4242" value="${value('number')}" required autofocus>
        <div class="row"><div><label for="exp">Expiry</label><input id="exp" name="exp" placeholder="12 / 34" value="${value('exp')}"></div><div><label for="cvc">CVC</label><input id="cvc" name="cvc" placeholder="123" value="${value('cvc')}"></div></div>
        <label for="name">Name</label><input id="name" name="name" placeholder="Ada Lovelace" value="${value('name')}">
        ${session.phone_number_collection?.enabled ? html`<label for="phone">Phone</label><input id="phone" name="phone" type="tel" value="${value('phone')}">` : ''}
        ${session.allow_promotion_codes === true ? html`<label for="promotion_code">Promotion code</label><input id="promotion_code" name="promotion_code" placeholder="TEN, HALF or FREE" value="${value('promotion_code')}">` : ''}
        <button id="pay">Pay ${money(session.amount_total, session.currency)}</button>${offersLink(session) ? html`<button class="plain" id="link" name="wallet" value="link">Pay with Link</button>` : ''}</form>
        <details open><summary>Test numbers</summary><ul>
          <li><code>4242 4242 4242 4242</code> pays</li><li><code>4000 0000 0000 0002</code> is declined</li><li><code>4000 0027 6000 3184</code> asks to authenticate</li>
          ${session.payment_method_types.includes('sepa_debit') ? html`<li><code>DE89 3704 0044 0532 0130 00</code> bank debit, pays later</li><li><code>DE62 3704 0044 0532 0130 01</code> bank debit, fails later</li>` : ''}
        </ul></details></section></main>`
  )
}

function authenticationPage(session: Stripe.Checkout.Session, form: URLSearchParams): Html {
  const kept = [...form]
    .filter(([name]) => name !== 'authenticated')
    .map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)
  return page(
    'Authenticate',
    html`<main class="small"><h1>3D Secure</h1><p>Your bank asks whether you want to pay ${money(session.amount_total, session.currency)}.</p>
      <form method="post">${kept}<button id="authenticate" name="authenticated" value="yes">Authenticate</button><button class="plain" name="authenticated" value="no">Fail authentication</button></form></main>`
  )
}
