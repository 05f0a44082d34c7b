import { describeArrival } from './support/arrival.js'
import { scenarios } from './support/arrival-scenarios.js'

// Every other one: the scenarios are many, and two files run side by side.
describeArrival(scenarios.filter((_, index) => index % 2 === 0))
