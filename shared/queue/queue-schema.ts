/** Where BullMQ keeps its tables on PostgreSQL. */
export const QUEUE_SCHEMA = 'bullmq'
