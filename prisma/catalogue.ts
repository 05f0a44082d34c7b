import type { Database } from '../shared/database/database.js'
import { type ProductIdFormat, readProductId } from '../shared/rules/product-id.js'

export interface SeedProduct {
  id: string
  slug: string
  name: string
  description: string
  /** Minor units. */
  price: number
  stock: number
}

/** The demo catalogue, in EUR. */
export const catalogue: SeedProduct[] = [
  {
    id: 'ctillworksmug00000000001',
    slug: 'stoneware-mug',
    name: 'Stoneware mug',
    description: 'Thrown by hand, glazed in oat. Holds 350 ml.',
    price: 1999,
    stock: 40
  },
  {
    id: 'ctillworkslamp0000000002',
    slug: 'desk-lamp',
    name: 'Desk lamp',
    description: 'Brushed aluminium, warm light, three levels.',
    price: 7450,
    stock: 12
  },
  {
    id: 'ctillworksbook0000000003',
    slug: 'linen-notebook',
    name: 'Linen notebook',
    description: '160 pages of 120 g paper that lie flat.',
    price: 1450,
    stock: 60
  },
  {
    id: 'ctillworksplant000000004',
    slug: 'olive-tree',
    name: 'Olive tree',
    description: 'Potted, about 70 cm. Likes the window.',
    price: 3900,
    stock: 8
  },
  {
    id: 'ctillworksthrow000000005',
    slug: 'wool-throw',
    name: 'Wool throw',
    description: 'Merino, woven in the Vosges. 130 × 180 cm.',
    price: 12900,
    stock: 5
  },
  {
    id: 'ctillworksprint000000006',
    slug: 'signed-print',
    name: 'Signed print',
    description: 'Numbered edition. There are only three left.',
    price: 4500,
    stock: 3
  }
]

/** Adds the products of the demo catalogue that are missing, with ids that can be bought; what is there stays as it is. */
export async function seedCatalogue(db: Database, idFormat: ProductIdFormat): Promise<void> {
  await db.prisma.product.createMany({
    data: catalogue.map((product, position) => ({
      ...product,
      id: readProductId(product.id, idFormat) ?? `0190f2c4-5e0b-7cc3-98c4-${String(position + 1).padStart(12, '0')}`,
      price: BigInt(product.price),
      currency: 'EUR',
      image: `/images/${product.slug}.svg`
    })),
    skipDuplicates: true
  })
}
