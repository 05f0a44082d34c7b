/** What was asked for cannot be done; the message says why and what to do. Nothing was changed. */
export class Refused extends Error {
  override readonly name: string = 'Refused'
}

/** The input itself cannot be meant so: it names too little, or more than there is. */
export class UnclearInput extends Refused {
  override readonly name = 'UnclearInput'
}
