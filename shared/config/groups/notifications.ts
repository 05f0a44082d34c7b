import { type Group, optional, type ValuesOf } from '../setting.js'
import { list, web } from '../value-types.js'

const secrets = list(
  'whsec_ and at least 24 bytes in base64, such as the output of: echo whsec_$(openssl rand -base64 32)',
  secrets => secrets.length > 0 && secrets.every(secret => /^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(secret))
)

export const notifications = {
  title: 'Notifications',
  settings: {
    url: optional('ORDER_WEBHOOK_URL', web('https://shop.example/tillworks'), {
      doc: 'where your shop hears of its orders; needed by commands too, as the workers have it',
      npmStart: 'the demo shop',
      example: ''
    }),
    secrets: optional('ORDER_WEBHOOK_SECRET', secrets, {
      secret: true,
      doc: 'signs the notifications; several with commas while one is being replaced',
      npmStart: "the demo shop's",
      example: ''
    })
  }
} satisfies Group

/** Where the shop hears of its orders; the first secret signs first. */
export function readNotifications({ url, secrets }: ValuesOf<typeof notifications>) {
  return url === undefined ? undefined : { url, secrets: secrets ?? [] }
}
