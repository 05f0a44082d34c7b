/** What was asked for cannot be done; the message says why and what to do. Nothing was changed. */
export class Refused extends Error {
  override readonly name: string = 'Refused'
}

/** The wish itself cannot be meant so: it names too little, or more than there is. */
export class UnclearWish extends Refused {
  override readonly name = 'UnclearWish'
}
