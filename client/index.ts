export { type Checkout, type CheckoutProblem, type CheckoutResult, checkout } from './checkout.js'
export { type ClientOptions, createTillworks, type Tillworks } from './connection.js'
export type { components, paths } from './generated/api.js'
export { type CheckoutState, type WatchOptions, WatchRefused, watch } from './watch.js'
