import { type Flag, patterns, type Place, type Values, valuedFlags } from './tree.ts'

/** For fish: one line for each word, which holds at its place only. */
export function fishCompletion(places: readonly Place[]): string {
  return `# Completion of tappet for fish: tappet completion fish | source
function __tappet_at
    set -l at ''
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch "$at|$word"
${places.flatMap(steps).join('\n')}
        end
    end
    test "$at" = "$argv[1]"
end
complete -c tappet -f
${places.flatMap(lines).join('\n')}
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
    .flatMap(({ name }) => [
      `            case '${path}|${name}'`,
      `                set at '${`${path} ${name}`.trim()}'`,
    ])
  if (skipped.length === 0) return deeper
  return [`            case ${skipped.join(' ')}`, '                set skip 1', ...deeper]
}

function lines(place: Place): string[] {
  const at = `complete -c tappet -n ${quote(`__tappet_at '${place.path}'`)}`
  const takes = place.takes.kind === 'any' ? [] : [`${at} ${valuesOf(place.takes)}`]
  return [
    ...place.commands.map(({ name, summary }) => `${at} -a ${name} -d ${quote(summary)}`),
    ...takes,
    ...place.flags.map((flag) => `${at} ${flagOf(flag)}`),
  ]
}

function flagOf({ names, summary, value }: Flag): string {
  const forms = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  const taken = value === null ? [] : ['-r', valuesOf(value)]
  return [...forms, ...taken, `-d ${quote(summary)}`].filter(Boolean).join(' ')
}

function valuesOf(value: Values): string {
  if (value.kind === 'words') return `-a ${quote(value.words.join(' '))}`
  return value.kind === 'file' ? '-F' : ''
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", `\\'`)}'`
}
