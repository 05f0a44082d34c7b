import { describeArrival } from './support/event-order.js'
import { scenarios } from './support/payment-scenarios.js'

// Every other one: the scenarios are many, and two files run side by side.
describeArrival(scenarios.filter((_, index) => index % 2 === 0))
