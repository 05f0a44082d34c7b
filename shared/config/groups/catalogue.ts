import { productIdFormats } from '../../rules/product-id.js'
import { type Group, setting } from '../setting.js'
import { choice, integer } from '../value-types.js'

export const catalogue = {
  title: 'Catalogue',
  settings: {
    productIdFormat: setting('PRODUCT_ID_FORMAT', choice(productIdFormats), {
      default: 'cuid',
      doc: "how the shop's product ids look: `any` is 1 to 64 of letters, digits, `.`, `_` and `-`; `uuid` is read in either case and kept in lower case"
    }),
    stockLowAt: setting('STOCK_LOW_AT', integer(0, 1_000_000), {
      default: '3',
      doc: 'of how many that can still be bought on a product is low in stock, on the attention page and in reports; 0: sold out alone'
    })
  }
} satisfies Group
