const TONES: Record<string, 'good' | 'bad' | 'open'> = {
  PAID: 'good',
  SUCCEEDED: 'good',
  SUCCESS: 'good',
  DELIVERED: 'good',
  PROCESSED: 'good',
  RESOLVED: 'good',
  NEEDS_REVIEW: 'bad',
  DISPUTED: 'bad',
  FAILED: 'bad',
  DEAD: 'bad',
  REFUSED: 'bad',
  REJECTED: 'bad',
  AUTHORIZED: 'open',
  PROCESSING: 'open',
  PENDING: 'open',
  REQUESTED: 'open',
  OPEN: 'open',
  RECEIVED: 'open'
}

/** A state in words and, besides, in a colour. */
export function Status({ of }: { of: string }) {
  return <span class={`status ${TONES[of] ?? 'plain'}`}>{of.replaceAll('_', ' ').toLowerCase()}</span>
}
