import { keyCleanup } from './key-cleanup.js'
import { priceVerification } from './price-verification.js'
import { sessionCreation } from './session-creation.js'
import { sweep } from './sweep.js'
import { webhookProcessing } from './webhook-processing.js'

/** Every job that the workers run. */
export const jobs = [priceVerification, sessionCreation, webhookProcessing, keyCleanup, sweep] as const
