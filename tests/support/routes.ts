import type { Express, Router } from 'express'

export interface Route {
  path: string
  methods: string[]
}

/** A router has its layers itself, an app those of its router. */
interface Stacked {
  stack?: Layer[]
  router?: { stack: Layer[] }
}

interface Layer {
  route?: { path: string; methods: Record<string, boolean> }
  handle?: Stacked
}

const layersOf = (given: Stacked | undefined) => given?.stack ?? given?.router?.stack ?? []

/** Every route that an Express app or router has, by its own table. The catch-alls for a 405 have all methods. */
export function routesOf(app: Express | Router): Route[] {
  const walk = (layers: Layer[]): Route[] =>
    layers.flatMap(layer => {
      if (layer.route !== undefined) {
        const methods = Object.keys(layer.route.methods).filter(method => method !== '_all')
        return [{ path: layer.route.path, methods: methods.map(method => method.toUpperCase()) }]
      }
      return walk(layersOf(layer.handle))
    })
  const found = walk(layersOf(app as unknown as Stacked))
  const isCatchAll = (route: Route) => route.methods.length === 0 || route.methods.length > 10
  return found.filter(route => !isCatchAll(route))
}
