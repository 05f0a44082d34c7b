import { z } from 'zod'
import { minor, toMajorUnits } from '../../shared/money.js'
import type { SaleTerms } from '../../shared/rules/sale-terms.js'
import type { cartRules } from '../schemas.js'

type CartRules = ReturnType<typeof cartRules>

/** What a shop's settings decide stands in the reference as what every shop's settings allow. */
const ANY_CURRENCY = 'EUR'
const ANY_COUNTRY = 'FR'
const ANY_AMOUNT = minor(9_999_999)
const anyTerms: SaleTerms = {
  currency: ANY_CURRENCY,
  minAmount: minor(1),
  maxAmount: ANY_AMOUNT,
  shipping: { amount: minor(0), freeFrom: minor(0) }
}
export const anyRules: CartRules = {
  ...anyTerms,
  currencies: [ANY_CURRENCY],
  productIdFormat: 'any',
  countries: [ANY_COUNTRY]
}

const registry = z.registry<{ id: string }>()

/** A schema that has a name in the reference, and in the types that are made of it. */
export function named<S extends z.ZodType>(id: string, schema: S): S {
  registry.add(schema, { id })
  return schema
}

export function reference(schema: z.ZodType): { $ref: string } {
  const id = registry.get(schema)?.id
  if (id === undefined) throw new Error('A body in the API reference needs a name: wrap its schema in named().')
  return { $ref: uriOf(id) }
}

const uriOf = (id: string) => `#/components/schemas/${id}`

/** All named schemas as JSON Schema 2020-12, which is the dialect of OpenAPI 3.1. */
export function namedSchemas(): Record<string, object> {
  const { schemas } = z.toJSONSchema(registry, {
    io: 'input',
    unrepresentable: 'any',
    uri: uriOf,
    override({ zodSchema, jsonSchema }) {
      if (jsonSchema.maximum === toMajorUnits(ANY_AMOUNT, ANY_CURRENCY)) delete jsonSchema.maximum
      if (zodSchema._zod.def.type !== 'enum' || jsonSchema.enum?.join() !== ANY_COUNTRY) return
      delete jsonSchema.enum
      Object.assign(jsonSchema, { pattern: '^[A-Z]{2}$', description: 'One of SHIPPING_COUNTRIES.' })
    }
  })
  const plain = Object.entries(schemas).map(([id, { $schema, $id, ...schema }]) => [id, schema])
  return Object.fromEntries(plain.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)))
}
