import { collectDefaultMetrics, Registry } from 'prom-client'

/**
 * All that this process counts. Names and units as https://prometheus.io/docs/practices/naming has them; a label takes few,
 * known values, and those that alerts look at stand at zero from the start: what appears with its first count has no increase.
 */
export const registry = new Registry()
collectDefaultMetrics({ register: registry })
