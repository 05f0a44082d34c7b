import type { Place } from './places.js'

/** Completes commands, options and known values; anything else as a file name. */
export function bashScript(places: Place[]): string {
  return `# ops completion bash: generated from its commands.
_ops() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path= next word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
      ${places
        .slice(1)
        .map(({ path }) => quoted(path))
        .join('|')}) path=$next ;;
    esac
  done
  COMPREPLY=()
  case "$path $prev" in
${places.flatMap(valuesOf).join('\n')}
  esac
  case "$path" in
${places.map(wordsOf).join('\n')}
  esac
}
complete -o default -F _ops ops
`
}

function valuesOf({ path, options }: Place): string[] {
  return options
    .filter(({ takesValue }) => takesValue)
    .map(({ word, values }) => `    ${quoted(`${path} ${word}`)}) ${reply(values)}; return ;;`)
}

function wordsOf({ path, commands, options, values }: Place): string {
  const words = [...commands.map(({ word }) => word), ...values]
  return `    ${quoted(path)}) case "$cur" in -*) ${reply(options.map(({ word }) => word))} ;; *) ${reply(words)} ;; esac ;;`
}

function reply(words: readonly string[]): string {
  return words.length === 0 ? ':' : `COMPREPLY=($(compgen -W ${quoted(words.join(' '))} -- "$cur"))`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
