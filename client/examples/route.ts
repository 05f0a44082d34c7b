// app/api/checkout/route.ts
import { checkout, createTillworks } from 'tillworks-client'

export async function POST(request: Request): Promise<Response> {
  const { items } = await request.json()
  const headers = {
    Cookie: request.headers.get('cookie') ?? '',
    Origin: request.headers.get('origin') ?? ''
  }
  const tillworks = createTillworks({ baseUrl: process.env.TILLWORKS_URL ?? '', headers })
  const idempotencyKey = request.headers.get('idempotency-key') ?? undefined
  const result = await checkout(tillworks, { items }, { idempotencyKey })
  if (!result.ok) return Response.json(result.problem, { status: result.problem.status })
  return Response.json({ url: result.checkout.url })
}
