export async function signIn() {
  const answer = await fetch('demo/session', { method: 'POST' })
  return (await answer.json()).email
}

/** Posts JSON and returns `data`; throws the problem document of a refusal. */
export async function post(path, body) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body)
  })
  const result = await answer.json()
  if (!result.success) throw result
  return result.data
}

export function money(amount, currency) {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).format(amount)
}

export function clearMessage() {
  document.querySelector('#message').replaceChildren()
}

/** Shows a problem document to the customer. */
export function explain(problem) {
  const details = problem.details?.map(each => each.error) ?? Object.values(problem.errors ?? {})
  const list = document.createElement('ul')
  list.append(...details.map(text => Object.assign(document.createElement('li'), { textContent: text })))
  document.querySelector('#message').replaceChildren(problem.detail ?? problem.error ?? 'That did not work.', list)
}
