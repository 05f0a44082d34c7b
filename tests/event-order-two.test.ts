import { describeArrival } from './support/event-order.js'
import { scenarios } from './support/payment-scenarios.js'

describeArrival(scenarios.filter((_, index) => index % 2 === 1))
