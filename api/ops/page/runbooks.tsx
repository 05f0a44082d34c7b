import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Router } from 'express'
import { Marked } from 'marked'
import { Refused } from '../../../shared/refused.js'
import { publicPath } from '../../../shared/runtime/base-path.js'
import type { Services } from '../../../shared/runtime/services.js'
import { subjectOf } from '../subject.js'
import { frameOf, sendPage } from './answer.js'
import { type Frame, Layout } from './layout.js'
import { Link } from './link.js'

/** Beside the program, in the sources and in `dist/` alike. */
const FOLDER = join(dirname(fileURLToPath(import.meta.url)), '../../../docs/runbooks')

/** Of other documents only the name is of use here: they are not served. */
const markedUnder = (basePath: string) =>
  new Marked({
    renderer: {
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens)
        const runbook = /^(\w+)\.md$/.exec(href)?.[1]
        const target = runbook === undefined ? href : publicPath(basePath, `/ops/runbooks/${runbook}`)
        return runbook === undefined && !href.startsWith('https://') ? text : `<a href="${target}">${text}</a>`
      }
    }
  })

/** What to do about each alert, from docs/runbooks. */
export function runbookPages(services: Services): Router {
  const names = readdirSync(FOLDER).flatMap(file => (file.endsWith('.md') ? [file.slice(0, -'.md'.length)] : []))
  const marked = markedUnder(services.config.ops.basePath)
  const router = Router()
  router.get('/ops/runbooks', (request, response) => {
    sendPage(response, <RunbooksPage frame={frameOf(request, response, services)} names={names} />)
  })
  router.get('/ops/runbooks/:id', (request, response) => {
    const name = subjectOf(request)
    if (!names.includes(name)) throw new Refused('runbook_not_found', `There is no runbook ${name}.`)
    const html = marked.parse(readFileSync(join(FOLDER, `${name}.md`), 'utf8'), { async: false })
    sendPage(response, <RunbookPage frame={frameOf(request, response, services)} name={name} html={html} />)
  })
  return router
}

function RunbookPage({ frame, name, html }: { frame: Frame; name: string; html: string }) {
  return (
    <Layout title={name} frame={frame}>
      <article dangerouslySetInnerHTML={{ __html: html }} />
      <p>
        <Link to="/ops/runbooks">All runbooks</Link>
      </p>
    </Layout>
  )
}

function RunbooksPage({ frame, names }: { frame: Frame; names: string[] }) {
  return (
    <Layout title="Runbooks" frame={frame}>
      <h1>Runbooks</h1>
      <ul>
        {names.map(name => (
          <li key={name}>
            <Link to={`/ops/runbooks/${name}`}>{name}</Link>
          </li>
        ))}
      </ul>
    </Layout>
  )
}
