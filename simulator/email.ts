/** What the API and the page take as an e-mail address; the page of a real Session asks for the same. */
export function isEmail(text: string): boolean {
  const [local = '', domain = '', ...rest] = text.split('@')
  if (rest.length > 0 || local.length > 64 || !/^[\x21-\x7e]+$/.test(text) || /[()<>[\]:;\\,"]/.test(text)) return false
  if (local.split('.').includes('')) return false
  const labels = domain.split('.')
  if (labels.length < 2 || !labels.every(label => /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/i.test(label))) return false
  return /^([a-z]{2,}|xn--.+)$/i.test(labels.at(-1) ?? '')
}
