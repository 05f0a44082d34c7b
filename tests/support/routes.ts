import type { Express } from 'express'

export interface Route {
  path: string
  methods: string[]
}

interface Layer {
  route?: { path: string; methods: Record<string, boolean> }
  handle?: { stack?: Layer[] }
}

/** Every route that an Express app has, by the app's own table. The catch-alls for a 405 have all methods. */
export function routesOf(app: Express): Route[] {
  const walk = (layers: Layer[]): Route[] =>
    layers.flatMap(layer => {
      if (layer.route !== undefined) {
        const methods = Object.keys(layer.route.methods).filter(method => method !== '_all')
        return [{ path: layer.route.path, methods: methods.map(method => method.toUpperCase()) }]
      }
      return walk(layer.handle?.stack ?? [])
    })
  const found = walk((app.router as unknown as { stack: Layer[] }).stack)
  const isCatchAll = (route: Route) => route.methods.length === 0 || route.methods.length > 10
  return found.filter(route => !isCatchAll(route))
}
