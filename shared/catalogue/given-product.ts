/** One cell of a file: what it says, and the column as the file calls it. */
export interface Cell {
  column: string
  text: string
}

/**
 * One product as a file or request gives it, not yet looked at: what is absent stays as it is, an empty text clears. The
 * keys are the fields of a product; prices in further currencies are `price_CHF`.
 */
export interface GivenProduct {
  /** Where it begins, counted from 1; 0 for what comes from no file. */
  line: number
  cells: Map<string, Cell>
  /** Where stock is not told: a new product is one that is not counted. */
  uncountedWhenNew?: boolean
}

/** The key of a cell that adds to the stock instead of setting it, which no file has. */
export const ADDED_STOCK = 'stock+'

/** Something that keeps a file from being imported: what is wrong and what to do. */
export interface CatalogueProblem {
  line: number
  /** Null when the line as a whole is wrong. */
  column: string | null
  message: string
}

/** What was read, and what could not be. */
export interface GivenCatalogue {
  products: GivenProduct[]
  problems: CatalogueProblem[]
}
