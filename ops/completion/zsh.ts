import type { Place, Word } from './places.js'

/** Completes commands, options and known values, each with what it is; anything else as a file name. */
export function zshScript(places: Place[]): string {
  return `#compdef ops
# ops completion zsh: generated from its commands.
_ops() {
  local path_= next word cur=$words[CURRENT] prev=$words[CURRENT-1]
  local -a found
  for word in $words[2,CURRENT-1]; do
    next="\${path_:+$path_ }$word"
    case "$next" in
      (${places
        .slice(1)
        .map(({ path }) => quoted(path))
        .join('|')}) path_=$next ;;
    esac
  done
  case "$path_ $prev" in
${places.flatMap(valuesOf).join('\n')}
  esac
  case "$path_" in
${places.map(wordsOf).join('\n')}
  esac
  if (( $#found )); then _describe ops found; else _files; fi
}
compdef _ops ops
`
}

function valuesOf({ path, options }: Place): string[] {
  return options
    .filter(({ takesValue }) => takesValue)
    .map(({ word, values }) => {
      const offer = values.length === 0 ? '_files' : `compadd -- ${values.map(quoted).join(' ')}`
      return `    (${quoted(`${path} ${word}`)}) ${offer}; return ;;`
    })
}

function wordsOf({ path, commands, options, values }: Place): string {
  const plain = [...commands, ...values.map(word => ({ word, what: word }))]
  return `    (${quoted(path)}) if [[ $cur == -* ]]; then found=(${described(options)}); else found=(${described(plain)}); fi ;;`
}

/** word:what, as _describe takes them. */
function described(words: Word[]): string {
  return words.map(({ word, what }) => quoted(`${word}:${what.replaceAll(':', '\\:')}`)).join(' ')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
