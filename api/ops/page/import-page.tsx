import { FieldOf, Refusals } from './confirm.js'
import type { Field } from './forms.js'
import { type Frame, Layout } from './layout.js'
import { Link } from './link.js'

const FIELDS: Field[] = [
  { name: 'dryRun', label: 'Only say what would change', kind: 'checkbox' },
  {
    name: 'deactivateMissing',
    label: 'The file is the whole catalogue',
    kind: 'checkbox',
    hint: 'What is not in it is sold no more.'
  },
  { name: 'reason', label: 'Why?', kind: 'why', required: true, hint: 'It goes into the audit trail.' }
]

/** Brings the catalogue to what a file says, all of it or nothing. */
export function ImportPage({ frame, lines, refusals }: { frame: Frame; lines: string[]; refusals: string[] }) {
  return (
    <Layout title="Import products" frame={frame}>
      <h1>Import products</h1>
      {lines.length === 0 ? null : (
        <p class="notice" role="status">
          {lines.join(' ')}
        </p>
      )}
      <Refusals sentences={refusals} />
      <form method="post" encType="multipart/form-data" class="confirm">
        <div class="field">
          <label for="file">File (CSV or JSON Lines)</label>
          <input id="file" name="file" type="file" accept=".csv,.jsonl,.ndjson" required />
        </div>
        {FIELDS.map(field => (
          <FieldOf key={field.name} field={field} values={{ dryRun: 'on' }} />
        ))}
        <p class="acts">
          <button type="submit">Import</button> <Link to="/ops/products">Go back</Link>
        </p>
      </form>
    </Layout>
  )
}
