import type { ComponentChildren } from 'preact'
import { publicPath } from '../../../shared/runtime/base-path.js'
import { Link, LinksUnder } from './link.js'

export interface Frame {
  operator: string
  /** May do things; a viewer can only look. */
  mayAct: boolean
  livemode: boolean
  /** OPS_BASE_PATH: a page names its own paths without it. */
  basePath: string
  /** Where in the navigation it is. */
  path: string
  /** What was just done. */
  done?: string
}

const PAGES = [
  ['/ops', 'Attention'],
  ['/ops/money', 'Money'],
  ['/ops/reports', 'Reports'],
  ['/ops/products', 'Products'],
  ['/ops/runbooks', 'Runbooks'],
  ['/ops/board', 'Queues']
] as const

interface Props {
  title: string
  frame: Frame
  query?: string
  /** A script of our own; the page has to be whole without it. */
  script?: string
  children: ComponentChildren
}

/** The frame of every page: skip link, navigation, search, and what was just done. */
export function Layout({ title, frame, query, script, children }: Props) {
  const own = (path: string) => publicPath(frame.basePath, path)
  return (
    <LinksUnder value={frame.basePath}>
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <title>{`${title} · Tillworks`}</title>
          <link rel="stylesheet" href={own('/ops/style.css')} />
          <link rel="icon" href="data:," />
          {script === undefined ? null : <script src={own(script)} defer />}
        </head>
        <body>
          <a class="skip" href="#content">
            Skip to the content
          </a>
          <header>
            <p class="name">
              Tillworks <span class={frame.livemode ? 'mode live' : 'mode'}>{frame.livemode ? 'live' : 'test'}</span>
            </p>
            <nav aria-label="Pages">
              <ul>
                {PAGES.map(([path, name]) => (
                  <li key={path}>
                    <Link to={path} aria-current={path === frame.path ? 'page' : undefined}>
                      {name}
                    </Link>
                  </li>
                ))}
              </ul>
            </nav>
            <search>
              <form action={own('/ops/search')} method="get">
                <label for="q">Find an order</label>
                <input
                  id="q"
                  name="q"
                  type="search"
                  required
                  maxLength={255}
                  value={query}
                  placeholder="order, customer, e-mail, cs_…, pi_…, ch_…, re_…, evt_…"
                />
                <button type="submit">Find</button>
              </form>
            </search>
          </header>
          <main id="content">
            {frame.done === undefined ? null : (
              <p class="notice" role="status">
                {frame.done}
              </p>
            )}
            {children}
          </main>
          <footer>
            <p>
              {frame.operator} {frame.mayAct ? 'may act' : 'can look and not change'}. Times are UTC.
            </p>
          </footer>
        </body>
      </html>
    </LinksUnder>
  )
}
