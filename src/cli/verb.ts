import type { Command } from 'commander'
import { type Cli, createCli, type GlobalFlags, type Io } from './cli.ts'

/** Wraps what a command does for Commander: gives it a `Cli`, and keeps the exit code that it answers (none: 0). */
export type Verb = (work: Work) => (...given: unknown[]) => Promise<void>

/** Arguments and options come as the command declares them; only the command knows their types. */
type Work = (cli: Cli, ...args: never[]) => Promise<number | void>

export function createVerb(io: Io, onExit: (code: number) => void): Verb {
  return (work) =>
    async (...given) => {
      const command = given.pop() as Command
      const cli = createCli(io, command.optsWithGlobals<GlobalFlags>())
      const act = work as (cli: Cli, ...args: readonly unknown[]) => Promise<number | void>
      onExit((await act(cli, ...given)) ?? 0)
    }
}

/** Lines for the end of a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`
}
