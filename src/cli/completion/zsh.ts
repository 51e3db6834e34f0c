import { patterns, type Place, type Values, valuedFlags } from './tree.ts'

/** For zsh: words with what they mean beside them. */
export function zshCompletion(places: readonly Place[]): string {
  return `#compdef tappet
# Completion of tappet for zsh: eval "$(tappet completion zsh)", or this as _tappet in a folder of $fpath.
_tappet() {
  local at='' i prev=\${words[CURRENT-1]}
  local -a commands flags
  for ((i = 2; i < CURRENT; i++)); do
    case "$at|\${words[i]}" in
${places.flatMap(steps).join('\n')}
    esac
  done
  if [[ \${words[CURRENT]} == --*=* ]]; then prev=\${words[CURRENT]%%=*}; compset -P '*='; fi
  case "$at|$prev" in
${places.flatMap(values).join('\n')}
  esac
  case "$at" in
${places.map(branch).join('\n')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe -o flag flags
  elif (( \${#commands} )); then
    _describe command commands
  else
    case "$at" in
${places.flatMap(takes).join('\n')}
    esac
  fi
}
if [[ \${funcstack[1]} == _tappet ]]; then _tappet "$@"; else compdef _tappet tappet; fi
`
}

function steps(place: Place): string[] {
  const { path, commands } = place
  const skipped = patterns(
    path,
    valuedFlags(place).map(({ name }) => name),
  )
  const deeper = commands
    .filter(({ name }) => name !== 'help')
    .map(({ name }) => `      '${path}|${name}') at='${`${path} ${name}`.trim()}' ;;`)
  return skipped.length === 0 ? deeper : [`      ${skipped.join('|')}) ((i++)) ;;`, ...deeper]
}

function values(place: Place): string[] {
  return valuedFlags(place).map(
    ({ name, value }) => `    '${place.path}|${name}') ${reply(value)}; return ;;`,
  )
}

function takes({ path, takes: value }: Place): string[] {
  return value.kind === 'any' ? [] : [`      '${path}') ${reply(value)} ;;`]
}

function reply(value: Values): string {
  if (value.kind === 'words') return `compadd -- ${value.words.map(quote).join(' ')}`
  return value.kind === 'file' ? '_files' : ':'
}

function branch({ path, commands, flags }: Place): string {
  const described = (name: string, summary: string): string =>
    quote(`${name}:${summary.replaceAll(':', '\\:')}`)
  const own = commands.map(({ name, summary }) => described(name, summary))
  const all = flags.flatMap(({ names, summary }) => names.map((name) => described(name, summary)))
  return `    '${path}') commands=(${own.join(' ')}); flags=(${all.join(' ')}) ;;`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
