/** The end of a process that other programs are to hear of before it comes. */
export class Drain {
  #begun = false
  readonly #listeners = new Set<() => void>()

  get hasBegun(): boolean {
    return this.#begun
  }

  begin(): void {
    this.#begun = true
    for (const hear of this.#listeners) hear()
  }

  /** Calls `hear` when it begins, at once when it has; the function that it returns takes that back. */
  onBegin(hear: () => void): () => void {
    if (this.#begun) hear()
    this.#listeners.add(hear)
    return () => this.#listeners.delete(hear)
  }
}
