import type { Argument, Command, Option } from 'commander'

/** A place in a command line: after the words of a command, where a word of its own or a flag may follow. */
export interface Place {
  /** `runs list`; empty at the beginning. */
  readonly path: string
  readonly commands: readonly Described[]
  readonly flags: readonly Flag[]
  /** What its arguments take. */
  readonly takes: Values
}

export interface Described {
  readonly name: string
  readonly summary: string
}

export interface Flag {
  /** `-o` and `--output`. */
  readonly names: readonly string[]
  readonly summary: string
  /** Null: it stands alone. */
  readonly value: Values | null
}

/** What may be completed: one of some words, a file, or nothing that is known. */
export type Values =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'file' }
  | { readonly kind: 'any' }

const ANY: Values = { kind: 'any' }

/** Every place of a program, the beginning first. */
export function placesOf(program: Command): readonly Place[] {
  const globals = program.options.filter((option) => option.long !== '--version').map(toFlag)
  const visit = (command: Command, path: readonly string[]): Place[] => {
    const children = command.createHelp().visibleCommands(command)
    const own = command === program ? program.options.map(toFlag) : [...flagsOf(command), ...globals]
    const place: Place = {
      path: path.join(' '),
      commands: children.map((child) => ({ name: child.name(), summary: child.description() })),
      flags: [...own, { names: ['-h', '--help'], summary: 'say what it does', value: null }],
      takes: command.registeredArguments.map(valuesOfArgument).find(({ kind }) => kind !== 'any') ?? ANY,
    }
    const below = children.filter((child) => child.name() !== 'help')
    return [place, ...below.flatMap((child) => visit(child, [...path, child.name()]))]
  }
  return visit(program, [])
}

/** A command that has a default one takes its flags, too. */
function flagsOf(command: Command): Flag[] {
  const { _defaultCommandName: name } = command as { readonly _defaultCommandName?: string | null }
  const byDefault = command.commands.find((child) => child.name() === name)
  return [...command.options, ...(byDefault?.options ?? [])].filter(({ hidden }) => !hidden).map(toFlag)
}

function toFlag({ short, long, description, required, optional, argChoices, flags }: Option): Flag {
  const takes = required || optional
  return {
    names: [short, long].filter((name) => name !== undefined),
    summary: description,
    value: takes ? valuesOf(/[<[]([^>\]]*)/.exec(flags)?.[1] ?? '', argChoices) : null,
  }
}

function valuesOfArgument(argument: Argument): Values {
  return valuesOf(argument.name(), argument.argChoices)
}

function valuesOf(name: string, choices: readonly string[] | undefined): Values {
  if (choices) return { kind: 'words', words: choices }
  return /^(file|folder|dir|path)/.test(name) ? { kind: 'file' } : ANY
}

/** Flags of a place that are followed by a word of their own, by what that is. */
export function valuedFlags({ flags }: Place): readonly { readonly name: string; readonly value: Values }[] {
  return flags.flatMap(({ names, value }) => (value ? names.map((name) => ({ name, value })) : []))
}

/** One alternative of a `case`: the place and the word, as all three shells write it. */
export function patterns(path: string, words: readonly string[]): string[] {
  return words.map((word) => `'${path}|${word}'`)
}
