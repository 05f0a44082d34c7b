import { describeArrival } from './support/arrival.js'
import { scenarios } from './support/arrival-scenarios.js'

describeArrival(scenarios.filter((_, index) => index % 2 === 1))
