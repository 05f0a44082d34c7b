// Replaces the counters of the page by those of this moment, while somebody looks at it.
const EVERY_MS = 5000
// Beside this file, whatever prefix a proxy shows both under.
const PULSE = new URL('pulse', document.currentScript.src)

async function readAgain() {
  const shown = document.getElementById('pulse')
  if (shown === null || document.hidden || shown.contains(document.activeElement)) return
  const response = await fetch(PULSE, { headers: { Accept: 'text/html' } })
  if (!response.ok) return
  const page = new DOMParser().parseFromString(await response.text(), 'text/html')
  const fresh = page.getElementById('pulse')
  if (fresh !== null) shown.replaceWith(fresh)
}

// A server that is away is asked again with the next turn; the time beside the counters says how old they are.
setInterval(() => readAgain().catch(() => undefined), EVERY_MS)
