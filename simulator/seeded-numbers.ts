/** Numbers from 0 up to 1 that follow from a seed: xorshift32 (Marsaglia, Xorshift RNGs, 2003). */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0 || 0x9e3779b9
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 4_294_967_296
  }
}
