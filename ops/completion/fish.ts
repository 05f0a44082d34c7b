import type { Place } from './places.js'

/** Completes commands, options and known values, each with what it is; anything else as a file name. */
export function fishScript(places: Place[]): string {
  const paths = places.slice(1).map(({ path }) => quoted(path))
  return `# ops completion fish: generated from its commands.
function __ops_at
  set -l path ''
  for word in (commandline -opc)[2..-1]
    set -l next (string trim -- "$path $word")
    contains -- "$next" ${paths.join(' ')}; and set path $next
  end
  test "$path" = "$argv[1]"
end
complete -c ops -e
${places.flatMap(linesOf).join('\n')}
`
}

function linesOf({ path, commands, options, values }: Place): string[] {
  const at = `complete -c ops -n ${quoted(`__ops_at ${quoted(path)}`)}`
  return [
    ...commands.map(({ word, what }) => `${at} -f -a ${quoted(word)} -d ${quoted(what)}`),
    ...values.map(value => `${at} -f -a ${quoted(value)}`),
    ...options.map(({ word, what, takesValue, values: known }) => {
      const value = known.length > 0 ? ` -x -a ${quoted(known.join(' '))}` : takesValue ? ' -r' : ''
      return `${at} -l ${word.replace(/^--/, '')}${value} -d ${quoted(what)}`
    })
  ]
}

/** As fish quotes: https://fishshell.com/docs/current/language.html#quotes */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
