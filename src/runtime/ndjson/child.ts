import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { Exit } from '../supervisor/protocol.ts'
import { createLineReader } from '../supervisor/lines.ts'

/** A program in another language, in a process group of its own. */
export interface Child {
  write(text: string): void
  /** Closes its stdin: nothing more will come. */
  endInput(): void
  /** SIGTERM to its group: it may finish what must be finished. */
  terminate(): void
  /** SIGKILL to its group. Idempotent. */
  kill(): void
  /** When it is gone and what it said has been read. Never rejects. */
  readonly exited: Promise<Exit>
}

export interface ChildOptions {
  readonly command: readonly string[]
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
  readonly onStdout: (text: string) => void
  /** What it writes to its stderr, by lines, so many a second. */
  readonly onStderr: (lines: readonly string[]) => void
  /** What it writes to its descriptor 3; without, it has none. */
  readonly onMessages?: (text: string) => void
}

/** What those that it left behind hold open is not waited for longer than this. */
const DRAIN_MS = 200

/** Nothing of it will change: the program is not there, or is none. */
const NO_PROGRAM = new Set(['ENOENT', 'EACCES', 'ENOEXEC', 'ENOTDIR'])

type Pipes = readonly [Writable, Readable, Readable, Readable | undefined]

export function startChild(options: ChildOptions): Child {
  let child: ChildProcess
  try {
    child = launch(options)
  } catch (error) {
    return stillborn(error as NodeJS.ErrnoException)
  }
  const [stdin, stdout, stderr, messages] = child.stdio as unknown as Pipes
  stdin.on('error', () => undefined)
  const streams = [stdout, ...(options.onMessages && messages ? [messages] : [])]
  stdout.setEncoding('utf8').on('data', options.onStdout)
  if (options.onMessages) messages?.setEncoding('utf8').on('data', options.onMessages)
  for (const stream of streams) stream.on('error', () => undefined)
  const lines = createLineReader(stderr, options.onStderr)
  const signal = (name: NodeJS.Signals): void => signalGroup(child, name)
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve(exitOf(error)))
    child.once('exit', (code, ended) => {
      // What it left behind goes with it.
      signal('SIGKILL')
      void withinMs(DRAIN_MS, [...streams.map(closed), lines.ended]).then(() => {
        for (const stream of [...streams, stderr]) stream.destroy()
        resolve({ code, signal: ended, error: null, over: null, lastWords: lines.mostTelling() })
      })
    })
  })
  return {
    exited,
    write: (text) => void (stdin.writable && stdin.write(text)),
    endInput: () => void stdin.end(),
    terminate: () => signal('SIGTERM'),
    kill: () => signal('SIGKILL'),
  }
}

function launch({ command, cwd, environment, onMessages }: ChildOptions): ChildProcess {
  const [program = '', ...args] = command
  return spawn(program, args, {
    cwd,
    env: environment,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', ...(onMessages ? (['pipe'] as const) : [])],
  })
}

function stillborn(reason: NodeJS.ErrnoException): Child {
  const nothing = (): void => undefined
  return {
    ...{ write: nothing, endInput: nothing, terminate: nothing, kill: nothing },
    exited: Promise.resolve(exitOf(reason)),
  }
}

function exitOf({ code = '', message }: NodeJS.ErrnoException): Exit {
  const isOurs = NO_PROGRAM.has(code)
  const none = { signal: null, over: null }
  return isOurs
    ? { ...none, code: 127, error: null, lastWords: message }
    : { ...none, code: null, error: message, lastWords: null }
}

function signalGroup({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, name)
  } catch {
    // There is nobody left in it.
  }
}

function closed(stream: Readable): Promise<void> {
  return stream.closed ? Promise.resolve() : new Promise((resolve) => stream.once('close', () => resolve()))
}

async function withinMs(ms: number, all: readonly Promise<void>[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))
  await Promise.race([Promise.all(all), late])
  clearTimeout(timer)
}
