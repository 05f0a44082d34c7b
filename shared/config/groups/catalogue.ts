import { productIdFormats } from '../../rules/product-id.js'
import { type Group, setting } from '../setting.js'
import { choice } from '../value-types.js'

export const catalogue = {
  title: 'Catalogue',
  settings: {
    productIdFormat: setting('PRODUCT_ID_FORMAT', choice(productIdFormats), {
      default: 'cuid',
      doc: "how the shop's product ids look: `any` is 1 to 64 of letters, digits, `.`, `_` and `-`; `uuid` is read in either case and kept in lower case"
    })
  }
} satisfies Group
