import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const ROOMS = ['api', 'demo', 'docs', 'local', 'ops', 'prisma', 'shared', 'simulator', 'tests', 'workers']
const entries = ROOMS.flatMap(room =>
  readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).map(name => join(room, name))
)
const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...entries.filter(name => name.endsWith('.md'))]

const LINK = /\]\(([^)\s#]*)(?:#([\w-]+))?\)/g
const PATH = new RegExp(`\`((?:${ROOMS.join('|')})/[\\w./-]*)\``, 'g')
/** A file whose folder the sentence leaves out: `order-status.ts`. */
const FILE = /`([\w.-]+\.(?:ts|prisma))`/g
/** What stands for any: `workers/NAME.ts`. */
const isExample = (path: string) => /\b[A-Z_]{4,}\b/.test(path)

/** What a page names that is not in the repository: links, sections of pages, paths and files. */
function missingIn(page: string, text: string): string[] {
  const links = [...text.matchAll(LINK)].filter(([, to = '']) => !/^[a-z]+:/.test(to))
  const dead = links.filter(([, to = '', section]) => {
    const target = to === '' ? page : join(dirname(page), to)
    if (!existsSync(join(root, target))) return true
    return section !== undefined && !sectionsOf(readFileSync(join(root, target), 'utf8')).has(section)
  })
  const paths = [...text.matchAll(PATH)].map(([, path = '']) => path)
  const files = [...text.matchAll(FILE)].map(([, file = '']) => file)
  return [
    ...dead.map(([link]) => link),
    ...paths.filter(path => !isExample(path) && !existsSync(join(root, path))),
    ...files.filter(file => !entries.some(entry => entry.endsWith(`/${file}`)) && !existsSync(join(root, file)))
  ]
}

/** As GitHub makes them of headings, and the anchors that a page sets itself. */
function sectionsOf(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-')
  )
  return new Set([...headings, ...[...text.matchAll(/id="([\w-]+)"/g)].map(([, id = '']) => id)])
}

it.each(pages)('%s names nothing that is not there', page => {
  expect(missingIn(page, readFileSync(join(root, page), 'utf8'))).toEqual([])
})

it('finds links, sections, paths and files that are not there', () => {
  const text =
    '[a](b.md) [c](../README.md#gone) [d](states.md) `shared/gone/` `gone.ts` `workers/NAME.ts` [e](https://a.example)'
  expect(missingIn('docs/api.md', text)).toEqual(['](b.md)', '](../README.md#gone)', 'shared/gone/', 'gone.ts'])
})

it('has every decision in their index', () => {
  const index = readFileSync(join(root, 'docs/decisions/README.md'), 'utf8')
  const decisions = readdirSync(join(root, 'docs/decisions')).filter(name => /^\d{4}-/.test(name))
  expect(decisions.filter(name => !index.includes(`(${name})`))).toEqual([])
})

it('has golden-rule links of comments that lead to a rule', () => {
  const rules = sectionsOf(readFileSync(join(root, 'docs/golden-rules.md'), 'utf8'))
  const cited = entries
    .filter(name => name.endsWith('.ts') && !name.startsWith('prisma/generated') && name !== 'tests/documents.test.ts')
    .flatMap(name => [
      ...readFileSync(join(root, name), 'utf8').matchAll(/golden[- ]rules?\b(?!\.md')(?:\.md#(rule-\d+))?/gi)
    ])
  expect(cited.length).toBeGreaterThan(0)
  expect(cited.filter(([, rule]) => rule === undefined || !rules.has(rule)).map(([text]) => text)).toEqual([])
})
