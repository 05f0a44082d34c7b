/** About a megabyte. */
const MOST = 10_000

/**
 * The payments of neighbours on the same Stripe account that this process has met, the newest of them: refunds and disputes
 * tell nothing of whose they are, and Stripe is asked once a payment. Forgetting one costs a call, no more.
 */
export class Neighbours {
  readonly #ids = new Set<string>()

  add(id: string): void {
    this.#ids.delete(id)
    this.#ids.add(id)
    if (this.#ids.size <= MOST) return
    const [oldest] = this.#ids
    if (oldest !== undefined) this.#ids.delete(oldest)
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }
}
