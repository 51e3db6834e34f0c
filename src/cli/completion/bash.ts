import { patterns, type Place, type Values, valuedFlags } from './tree.ts'

/** For bash from 3.2 on. Nothing is asked while somebody types: the words are in the script. */
export function bashCompletion(places: readonly Place[]): string {
  return `# Completion of tappet for bash: eval "$(tappet completion bash)"
_tappet() {
  local IFS=$'\\n' cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} at= words= i
  # Bash takes --flag=value for three words.
  if [[ $cur == '=' ]]; then cur=; elif [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at|\${COMP_WORDS[i]}" in
${places.flatMap(steps).join('\n')}
    esac
  done
  case "$at|$prev" in
${places.flatMap(values).join('\n')}
  esac
  if [[ $cur == -* ]]; then
    case "$at" in
${places.map(({ path, flags }) => branch(path, `words='${flags.flatMap(({ names }) => names).join(' ')}'`)).join('\n')}
    esac
  else
    case "$at" in
${places.map((place) => branch(place.path, words(place))).join('\n')}
    esac
  fi
  COMPREPLY=($(IFS=' '; compgen -W "$words" -- "$cur"))
}
complete -F _tappet tappet
`
}

/** How a word leads from one place to the next; the word after a flag with a value leads nowhere. */
function steps(place: Place): string[] {
  const { path, commands } = place
  const skipped = patterns(
    path,
    valuedFlags(place).map(({ name }) => name),
  )
  const skip = `      ${skipped.join('|')}) [[ \${COMP_WORDS[i + 1]} == '=' ]] && ((i++)); ((i++)) ;;`
  const deeper = commands
    .filter(({ name }) => name !== 'help')
    .map(({ name }) => `      '${path}|${name}') at='${`${path} ${name}`.trim()}' ;;`)
  return skipped.length === 0 ? deeper : [skip, ...deeper]
}

function values(place: Place): string[] {
  return valuedFlags(place).map(
    ({ name, value }) => `    '${place.path}|${name}') ${reply(value)}; return ;;`,
  )
}

function reply(value: Values): string {
  if (value.kind === 'words') return `COMPREPLY=($(IFS=' '; compgen -W '${value.words.join(' ')}' -- "$cur"))`
  return value.kind === 'file' ? FILES : 'COMPREPLY=()'
}

const FILES = `compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))`

function words({ commands, takes }: Place): string {
  if (commands.length > 0) return `words='${commands.map(({ name }) => name).join(' ')}'`
  return takes.kind === 'any' ? ':' : `${reply(takes)}; return`
}

function branch(path: string, then: string): string {
  return `      '${path}') ${then} ;;`
}
