/** Rows of "Order" and "Checkout" of the users $1. */
const ORDERS = `ARRAY(SELECT "id" FROM "Order" WHERE "userId" = ANY($1))`
const CHECKOUTS = `ARRAY(SELECT "id" FROM "Checkout" WHERE "userId" = ANY($1))`

interface PersonalTable {
  table: string
  /** Which rows are about the users $1. */
  of: string
  /** What tells of a person: is handed out to them, and forgotten by an erasure or by retention. */
  personal: readonly string[]
  /** What was bought, paid and decided: is handed out, and stays as the financial record. */
  record: readonly string[]
  /** Is not handed out: how we work, what lets one act in their name, and names of operators. */
  internal: readonly string[]
}

/**
 * Where personal data is: a test holds every column of the database to this list, so that a new one is thought of. What is
 * forgotten of it, and when, is in personal-data.ts.
 */
export const personalTables: readonly PersonalTable[] = [
  {
    table: 'Order',
    of: `"userId" = ANY($1)`,
    personal: ['email', 'address', 'contact', 'metadata'],
    record: 'id userId status currency subtotal shipping total captured refunded paidAt cancelledAt createdAt'.split(
      ' '
    ),
    internal: ['sequence', 'updatedAt']
  },
  {
    table: 'OrderItem',
    of: `"orderId" = ANY(${ORDERS})`,
    personal: ['options'],
    record: ['orderId', 'productId', 'name', 'description', 'image', 'unitPrice', 'quantity'],
    internal: []
  },
  {
    table: 'Checkout',
    of: `"userId" = ANY($1)`,
    personal: 'email cart metadata refusal ipAddress network userAgent sessionParams'.split(' '),
    record: 'id userId orderId status currency amount sessionId sessionExpiresAt paymentIntentId risk createdAt'.split(
      ' '
    ),
    internal: (
      'ownsOrder sessionUrl idempotencyKey requestId askedAt requeues stripeAwaySince keyRefusedAt serverErrors ' +
      'expireReason expireFailedAt updatedAt'
    ).split(' ')
  },
  {
    table: 'Reservation',
    of: `"checkoutId" = ANY(${CHECKOUTS})`,
    personal: [],
    record: ['checkoutId', 'productId', 'quantity', 'status', 'createdAt', 'settledAt'],
    internal: ['restocked']
  },
  {
    table: 'Payment',
    of: `"orderId" = ANY(${ORDERS})`,
    personal: ['mismatch', 'reviewReason'],
    record: (
      'paymentIntentId orderId checkoutId status amount currency captured discount tax chargeId sessionId ' +
      'captureBefore acceptedAt createdAt'
    ).split(' '),
    internal: ['balanceTransactionId', 'askedAt', 'lapseAlertedAt', 'reviewAction', 'acceptedBy', 'updatedAt']
  },
  {
    table: 'Refund',
    of: `"orderId" = ANY(${ORDERS})`,
    personal: ['reason', 'failureReason'],
    record: 'id stripeId paymentIntentId orderId status amount currency restock restockedAt createdAt'.split(' '),
    internal: (
      'requestKey requestedBy serverErrors serverErrorAt stripeAwaySince balanceTransactionId returnTransactionId ' +
      'askedAt updatedAt'
    ).split(' ')
  },
  {
    table: 'Dispute',
    of: `"orderId" = ANY(${ORDERS})`,
    personal: [],
    record: 'id paymentIntentId orderId status reason amount currency evidenceDueBy createdAt'.split(' '),
    internal: ['toldAt', 'toldRank', 'updatedAt']
  },
  {
    table: 'PaymentSignal',
    of: `"orderId" = ANY(${ORDERS})`,
    personal: ['detail'],
    record: ['id', 'kind', 'orderId', 'checkoutId', 'paymentIntentId', 'code', 'open', 'createdAt'],
    internal: []
  },
  {
    table: 'Notification',
    of: `"orderId" = ANY(${ORDERS})`,
    personal: ['data', 'error'],
    record: ['id', 'orderId', 'sequence', 'type', 'status', 'createdAt', 'deliveredAt'],
    internal: ['attempts', 'leasedUntil', 'nextAttemptAt']
  },
  {
    table: 'GuestClaim',
    of: `"userId" = ANY($1) OR "guestId" = ANY($1)`,
    personal: [],
    record: ['guestId', 'userId', 'claimedAt'],
    internal: []
  },
  {
    table: 'IdempotencyKey',
    of: `"userId" = ANY($1)`,
    personal: ['request'],
    record: ['userId', 'action', 'status', 'checkoutId', 'orderId', 'createdAt', 'expiresAt'],
    // An answer repeats what the checkout tells, with the link to pay at.
    internal: ['key', 'fingerprint', 'derived', 'response', 'updatedAt']
  },
  {
    table: 'WebhookEvent',
    of: `"checkoutId" = ANY(${CHECKOUTS})`,
    personal: ['payload', 'error', 'note'],
    record: ['id', 'type', 'created', 'status', 'checkoutId', 'receivedAt', 'processedAt'],
    internal: ['apiVersion', 'livemode', 'attempts', 'requestId', 'resolvedBy', 'stripeAwaySince', 'paymentIntentId']
  },
  {
    table: 'PaymentAuditLog',
    of: `"userId" = ANY($1) OR "orderId" = ANY(${ORDERS}) OR "checkoutId" = ANY(${CHECKOUTS})`,
    personal: ['ipAddress', 'userAgent', 'error', 'metadata'],
    record: 'id createdAt action status userId orderId checkoutId eventId amount currency before after'.split(' '),
    internal: 'requestId chain sequence previousHash hash personalSalt personalHash'.split(' ')
  },
  {
    table: 'Alert',
    of: `"context"->>'userId' = ANY($1) OR "context"->>'orderId' = ANY(${ORDERS}) OR "context"->>'checkoutId' = ANY(${CHECKOUTS})`,
    personal: ['context', 'note'],
    record: ['id', 'name', 'createdAt', 'resolvedAt'],
    internal: ['onceKey', 'resolvedBy']
  },
  {
    table: 'FraudClearance',
    // Of a network, others may be behind it.
    of: `"subject" IN (SELECT 'user:' || unnest($1::text[]))`,
    personal: ['subject', 'note'],
    record: ['clearedAt'],
    internal: ['clearedBy']
  }
]

/** Tables without personal data, and why there is none. */
export const impersonalTables: Readonly<Record<string, string>> = {
  Product: 'what is sold',
  ProductPrice: 'what it costs',
  LedgerPosting: 'amounts of an order, which its payments and refunds tell',
  AuditChain: 'hashes',
  AuditPolicy: 'days',
  AuditTombstone: 'hashes',
  RateLimit: 'counters that end within a day',
  Checkpoint: 'times',
  Switch: 'of the shop',
  Installation: 'of the shop'
}
