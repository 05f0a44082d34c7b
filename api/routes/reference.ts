import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { Router } from 'express'
import helmet from 'helmet'
import type { Config } from '../../shared/config/config.js'
import { publicPath } from '../../shared/runtime/base-path.js'
import { sendUnlessKnown } from '../entity-tag.js'
import { referenceText } from '../reference/text.js'

const VIEWER = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
const VIEWER_FILES = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png']

export const REFERENCE_PATHS = [
  '/openapi.json',
  '/docs',
  '/docs/start.js',
  ...VIEWER_FILES.map(name => `/docs/${name}`)
]

/** Swagger UI draws with inline styles and data: images; scripts and connections are of this host alone. */
const securityHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"]
    }
  },
  strictTransportSecurity: false
})

const page = (own: (path: string) => string) => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Tillworks API</title>
    <link rel="icon" href="${own('/docs/favicon-32x32.png')}">
    <link rel="stylesheet" href="${own('/docs/swagger-ui.css')}">
  </head>
  <body>
    <div id="reference"></div>
    <noscript>The reference as data: <a href="${own('/openapi.json')}">openapi.json</a></noscript>
    <script src="${own('/docs/swagger-ui-bundle.js')}"></script>
    <script src="${own('/docs/start.js')}"></script>
  </body>
</html>
`

/** No validator: it is another host's. */
const start = (own: (path: string) => string) =>
  `SwaggerUIBundle({ url: '${own('/openapi.json')}', dom_id: '#reference', deepLinking: true, validatorUrl: null })
`

/** GET /openapi.json, and GET /docs, which shows it with files of our own host. */
export function referenceRoutes({ basePath, ops }: Pick<Config, 'basePath' | 'ops'>): Router {
  const router = Router()
  const own = (path: string) => publicPath(basePath, path)
  // Made for the first who asks: it takes a fifth of the time in which an ingress starts.
  let text: string | undefined
  router.get('/openapi.json', securityHeaders, (request, response) => {
    response.setHeader('Cache-Control', 'public, no-cache')
    // It is the same everywhere, and tools read it from their own pages.
    response.setHeader('Access-Control-Allow-Origin', '*')
    response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin')
    text ??= referenceText({ basePath, opsBasePath: ops.basePath })
    sendUnlessKnown(request, response, text)
  })
  router.get('/docs', securityHeaders, (_request, response) => {
    response.type('html').send(page(own))
  })
  router.get('/docs/start.js', securityHeaders, (_request, response) => {
    response.type('js').send(start(own))
  })
  for (const name of VIEWER_FILES) {
    router.get(`/docs/${name}`, securityHeaders, (_request, response) => {
      response.sendFile(name, { root: VIEWER, maxAge: '1h' })
    })
  }
  return router
}
