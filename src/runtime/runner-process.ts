import { type ChildProcess, execFile, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { runnerFile } from './bundle.ts'
import { createDecoder, createFrameWriter, type Frame, MAX_FRAME_BYTES } from './frames.ts'

/** A child process that runs user code, in a process group of its own, and the socket to it. */
export interface RunnerProcess {
  send(type: number, id: number, header?: object, payload?: Buffer): void
  /** Whether our own process stays alive for it. At first it does not. */
  hold(held: boolean): void
  /** SIGKILL to its whole group. Idempotent. */
  kill(): void
  /** When it is gone and all that it said has been read. Never rejects. */
  readonly exited: Promise<Exit>
}

export interface Exit {
  /** Null when a signal ended it, or when it never started. */
  readonly code: number | null
  readonly signal: string | null
  /** Why it never started. */
  readonly error: Error | null
  /** The line of its stderr that says most; null for none. */
  readonly lastWords: string | null
}

/** A command line to which flags for Node are added before the rest. */
export interface Program {
  readonly command: string
  readonly before: readonly string[]
  readonly after: readonly string[]
}

export interface RunnerOptions {
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
  /** Further flags for Node. */
  readonly flags?: readonly string[]
  readonly onFrame: (frame: Frame) => void
  /** What it wrote to its stdout or stderr past our capture, line by line. */
  readonly onOutput: (line: string) => void
}

const FLAGS = ['--enable-source-maps', '--no-warnings']

/** What the dead have said may still be on its way this long. */
const DRAIN_MS = 200

let program: Promise<Program> | undefined

/** How runners are started here. Found out once. */
export function runnerProgram(): Promise<Program> {
  return (program ??= findProgram())
}

/** With `setpriv`, a runner dies with us even when it is too busy to see that its socket has closed. */
async function findProgram(): Promise<Program> {
  const file = await runnerFile()
  const node = process.execPath
  const dieWithParent = ['--pdeathsig', 'KILL', '--']
  const run = promisify(execFile)
  try {
    // By its full path: it would be looked for on the PATH of the function.
    const { stdout } = await run('sh', ['-c', 'command -v setpriv'], { timeout: 5_000 })
    const command = stdout.trim()
    await run(command, [...dieWithParent, node, '--version'], { timeout: 5_000 })
    return { command, before: [...dieWithParent, node], after: [file] }
  } catch {
    return { command: node, before: [], after: [file] }
  }
}

export function startRunner({ command, before, after }: Program, options: RunnerOptions): RunnerProcess {
  const child = spawn(command, [...before, ...FLAGS, ...(options.flags ?? []), ...after], {
    cwd: options.cwd,
    env: { ...options.environment },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const socket = child.stdio[3] as Socket | undefined
  const writer = createFrameWriter((bytes) => socket?.write(bytes))
  const words = { last: null as string | null }
  let gone = false

  const kill = (): void => {
    child.ref()
    killGroup(child.pid)
  }
  const decode = createDecoder(options.onFrame, MAX_FRAME_BYTES)
  socket
    ?.on('error', () => undefined)
    .on('data', (chunk: Buffer) => {
      try {
        decode(chunk)
      } catch (error) {
        words.last = `it broke the protocol: ${String(error)}`
        socket.destroy()
        kill()
      }
    })
  readLines(child.stdout, options.onOutput)
  readLines(child.stderr, (line) => {
    words.last = moreTelling(words.last, line)
    options.onOutput(line)
  })
  child.unref()
  for (const pipe of [socket, child.stdout, child.stderr] as (Socket | undefined)[]) pipe?.unref()

  return {
    send: (...frame) => void (gone || writer.send(...frame)),
    hold(held) {
      for (const handle of [child, socket]) {
        if (held) handle?.ref()
        else handle?.unref()
      }
    },
    kill: () => void (gone || kill()),
    exited: exitOf(child).then((exit) => {
      gone = true
      return { ...exit, lastWords: words.last }
    }),
  }
}

async function exitOf(child: ChildProcess): Promise<Omit<Exit, 'lastWords'>> {
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const error = await new Promise<Error | null>((resolve) => {
    child.once('error', resolve).once('exit', () => resolve(null))
  })
  if (child.pid === undefined) return { code: null, signal: null, error }
  // What it started and left behind holds its pipes open, and has no business to live.
  killGroup(child.pid)
  const timer = setTimeout(() => child.stdio.forEach((pipe) => pipe?.destroy()), DRAIN_MS)
  await closed
  clearTimeout(timer)
  return { code: child.exitCode, signal: child.signalCode, error: null }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // There is nobody left in it.
  }
}

const MAX_LINE_CHARS = 16_384

function readLines(stream: Readable | null, onLine: (line: string) => void): void {
  let rest = ''
  stream?.setEncoding('utf8')
  stream?.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = (lines.pop() ?? '').slice(0, MAX_LINE_CHARS)
    for (const line of lines) if (line !== '') onLine(line.slice(0, MAX_LINE_CHARS))
  })
  stream?.on('error', () => undefined)
  stream?.on('end', () => {
    if (rest !== '') onLine(rest)
  })
}

/** V8 says what is wrong first, and then where, at length. */
function moreTelling(before: string | null, line: string): string {
  return before?.includes('FATAL ERROR') ? before : line.slice(0, 500)
}
