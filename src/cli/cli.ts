import { createInterface } from 'node:readline/promises'
import type { Readable, Writable } from 'node:stream'
import { resolve } from 'node:path'
import {
  type Config,
  type ConfigOverrides,
  ENV_FILES,
  type Environment,
  readConfig,
  readEnvironment,
} from '../config.ts'
import { CliError, EXIT, usageError } from './errors.ts'
import { connect, type Server } from './server.ts'
import { createPaint, type Paint } from './text.ts'

/** Flags that every command takes. */
export interface GlobalFlags {
  readonly json?: boolean
  readonly url?: string
  readonly token?: string
  readonly cwd?: string
  readonly color: boolean
  readonly quiet?: boolean
  readonly verbose?: boolean
  readonly yes?: boolean
}

export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  /** Takes over what a signal to this process does; by default it ends. */
  readonly onSignal: (handler: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => void) => void
}

/** What a command works with. Data goes to stdout, everything else to stderr. */
export interface Cli {
  readonly flags: GlobalFlags
  readonly io: Io
  /** The project's folder, absolute. */
  readonly root: string
  readonly paint: Paint
  readonly columns: number
  /** The process's, over `.env.local` and `.env` of the project's folder. */
  environment(): Environment
  config(overrides?: ConfigOverrides): Config
  /** The server that the flags, the environment or the project's folder name. */
  server(): Promise<Server>
  /** The command's one answer: as JSON with `--json`, else as the text. */
  show(value: unknown, text: () => string): void
  /** One of several answers as they come: a JSON line with `--json`. */
  line(value: unknown, text: () => string): void
  /** Beside the answer; left out with `--quiet`, and with `--json`. */
  note(text: string): void
  /** @throws CliError TPT_USAGE when nobody can be asked and `--yes` was not given; exit code 1 for a no. */
  confirm(question: string): Promise<void>
}

export function createCli(io: Io, flags: GlobalFlags): Cli {
  const root = resolve(flags.cwd ?? '.')
  let environment: Environment | undefined
  const readOnce = (): Environment => (environment ??= readEnvironment(root, ENV_FILES))
  const colours = flags.color && io.stdout.isTTY === true && !readOnce().NO_COLOR
  const out = (text: string): void => void io.stdout.write(`${text}\n`)
  const cli: Cli = {
    flags,
    io,
    root,
    paint: createPaint(colours),
    columns: (io.stdout.isTTY && io.stdout.columns) || Infinity,
    environment: readOnce,
    config: (overrides = {}) => readConfig(readOnce(), { root, ...overrides }),
    server: () => connect(cli),
    show: (value, text) => out(flags.json ? JSON.stringify(value, null, 2) : text()),
    line: (value, text) => out(flags.json ? JSON.stringify(value) : text()),
    note: (text) => void (flags.quiet || flags.json || io.stderr.write(`${text}\n`)),
    confirm: (question) => confirm(cli, question),
  }
  return cli
}

async function confirm({ flags, io }: Cli, question: string): Promise<void> {
  if (flags.yes) return
  if (!io.stdin.isTTY) throw usageError(`${question} Nobody can be asked here.`, 'Add --yes.')
  const prompt = createInterface({ input: io.stdin, output: io.stderr })
  try {
    const answer = await prompt.question(`${question} [y/N] `)
    if (!/^y(es)?$/i.test(answer.trim())) {
      throw new CliError('TPT_USAGE', 'not confirmed', {
        exitCode: EXIT.failed,
        hint: 'Nothing was changed.',
      })
    }
  } finally {
    prompt.close()
  }
}
