import Stripe from 'stripe'

/** The API version that the installed `stripe` package is made for. */
export const PINNED_API_VERSION: string = Stripe.API_VERSION
