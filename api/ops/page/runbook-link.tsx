import { Link } from './link.js'

/** What to do, at length: a page of docs/runbooks. */
export function RunbookLink({ of }: { of: string }) {
  return <Link to={`/ops/runbooks/${of}`}>Runbook: {of.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase()}</Link>
}
