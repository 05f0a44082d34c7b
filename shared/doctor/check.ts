import type { Finding } from './finding.js'
import type { Subject } from './subject.js'

/** One thing that has to be right before a shop goes live. It changes nothing, and needs no other check. */
export interface Check {
  name: string
  /** The variables without which there is nothing to look at. */
  needs: readonly string[]
  run(subject: Subject): Promise<Finding[]>
}
