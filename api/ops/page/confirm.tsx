import type { Field, FilledForm, Form } from './forms.js'
import { type Frame, Layout } from './layout.js'
import { Link } from './link.js'

interface Props {
  frame: Frame
  form: Form
  filled: FilledForm
  /** The Idempotency-Key of this page: sent twice it is done once. */
  requestKey: string
  values: Record<string, string>
  /** Why it was refused; each with the field that it is about. */
  refusals: string[]
}

/** Asks whether it is meant, and why, before anything is done. */
export function ConfirmPage({ frame, form, filled, requestKey, values, refusals }: Props) {
  return (
    <Layout title={form.title} frame={frame}>
      <h1>{form.title}</h1>
      {filled.about.map(sentence => (
        <p key={sentence}>{sentence}</p>
      ))}
      <Refusals sentences={refusals} />
      <form method="post" class="confirm">
        <input type="hidden" name="requestKey" value={requestKey} />
        {filled.fields.map(field => (
          <FieldOf key={field.name} field={field} values={values} />
        ))}
        <p class="acts">
          <button type="submit">{form.button}</button> <Link to={filled.back}>Go back</Link>
        </p>
      </form>
    </Layout>
  )
}

/** Why it was not done. */
export function Refusals({ sentences }: { sentences: string[] }) {
  if (sentences.length === 0) return null
  return (
    <div class="warning" role="alert">
      <p>It was not done:</p>
      <ul>
        {sentences.map(sentence => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </div>
  )
}

export function FieldOf({ field, values }: { field: Field; values: Record<string, string> }) {
  const { name, label, kind, hint, required, options = [] } = field
  const id = `field-${name}`
  const hintId = hint === undefined ? undefined : `${id}-hint`
  const value = values[name] ?? ''
  if (kind === 'restock') return <Restock field={field} values={values} />
  const control = () => {
    switch (kind) {
      case 'checkbox':
        return <input id={id} name={name} type="checkbox" checked={value !== ''} aria-describedby={hintId} />
      case 'choice':
        return (
          <select id={id} name={name} aria-describedby={hintId}>
            {options.map(option => (
              <option key={option.value} value={option.value} selected={option.value === value}>
                {option.label}
              </option>
            ))}
          </select>
        )
      case 'why':
        return (
          <textarea id={id} name={name} rows={2} required minLength={3} maxLength={1_000} aria-describedby={hintId}>
            {value}
          </textarea>
        )
      case 'time':
        return <input id={id} name={name} type="datetime-local" value={value} aria-describedby={hintId} />
      default:
        return (
          <input
            id={id}
            name={name}
            type="text"
            value={value}
            required={required}
            autocomplete="off"
            aria-describedby={hintId}
          />
        )
    }
  }
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {control()}
      {hint === undefined ? null : (
        <p class="hint" id={hintId}>
          {hint}
        </p>
      )}
    </div>
  )
}

/** Which of the goods go back on the shelf. */
function Restock({ field: { name, label, lines = [] }, values }: { field: Field; values: Record<string, string> }) {
  const chosen = values[name] ?? ''
  const choices = [
    ['', 'leave the stock as it is'],
    ['all', 'all of them go back on the shelf'],
    ['some', 'these go back:']
  ] as const
  return (
    <fieldset>
      <legend>{label}</legend>
      {choices.map(([value, text]) => (
        <p key={value}>
          <input type="radio" id={`field-${name}-${value}`} name={name} value={value} checked={chosen === value} />{' '}
          <label for={`field-${name}-${value}`}>{text}</label>
        </p>
      ))}
      {lines.map(({ productId, name: product, quantity }) => (
        <p key={productId} class="line">
          <label for={`field-${name}-${productId}`}>
            {product} (of {quantity})
          </label>{' '}
          <input
            id={`field-${name}-${productId}`}
            name={`${name}.${productId}`}
            type="number"
            min={0}
            max={quantity}
            value={values[`${name}.${productId}`] ?? ''}
          />
        </p>
      ))}
    </fieldset>
  )
}
