/** The command line cannot be understood as it is. */
export class UsageError extends Error {}
