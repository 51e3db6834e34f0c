import type { Socket } from 'node:net'
import { createDecoder, createFrameWriter, type Frame, MAX_FRAME_BYTES } from './frames.ts'
import { DEFAULT_MAX_PROCESSES } from './declaration.ts'
import { type Program, runnerProgram } from './own-programs.ts'
import { confine, type View } from './sandbox/bubblewrap.ts'
import type { Exit } from './supervisor/protocol.ts'
import { supervisor, type Watched, type Watcher } from './supervisor/supervisor.ts'

/** A process that runs user code, in a process group of its own, and the socket to it. */
export interface RunnerProcess {
  send(type: number, id: number, header?: object, payload?: Buffer): void
  /** Whether our own process stays alive for it. At first it does not. */
  hold(held: boolean): void
  /** SIGKILL to its whole group. Idempotent. */
  kill(): void
  /** When it is gone and all that it said has been read. Never rejects. */
  readonly exited: Promise<Exit>
}

export interface RunnerHandlers {
  readonly onFrame: (frame: Frame) => void
  /** What it wrote to its stdout or stderr past our capture, line by line. */
  readonly onOutput: (line: string) => void
}

export interface RunnerOptions extends RunnerHandlers {
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
  /** Further flags for Node. */
  readonly flags?: readonly string[]
  /** What it has of the machine; null or left out: all that we have. */
  readonly sandbox?: View | null
  /** What it may take beyond what it takes when it has started. Default: no limit. */
  readonly memoryMb?: number
  /** Most processes that it may have started and that are still there. Default 64. */
  readonly maxProcesses?: number
  /** The control group in which it gets one of its own. Default: none. */
  readonly cgroup?: string | null
}

const FLAGS = ['--no-warnings']

/** A process that was killed, and that the supervisor has not seen end for so long, is not watched by anybody. */
const UNSEEN_MS = 5_000

/** A process whose socket has closed ends by itself within this time, or not at all. */
const CLOSED_MS = 200

/** What the dead have said may still be on its way this long. */
const DRAIN_MS = 200

/** Asks the supervisor for a process. What is sent before it is there waits for it. */
export function startRunner(options: RunnerOptions): RunnerProcess {
  const line = createLine(options, { onFirst: () => onBooted(), onFault: () => kill() })
  let watched: Watched | null = null
  let pid: number | null = null
  let held = false
  let killed = false
  let exit: Exit | null = null
  let prlimit: string | null = null
  let settle: (exit: Exit) => void = () => undefined
  const exited = new Promise<Exit>((resolve) => (settle = resolve))

  const watcher: Watcher = {
    onStarted(startedAs, socket) {
      pid = startedAs
      line.connect(socket, held)
    },
    onHanded: () => line.open(),
    onOutput: (lines) => lines.forEach(options.onOutput),
    onEnded(how) {
      exit = how
      // Nobody watches it any more.
      if (how.error !== null) killGroup(pid)
      void line.drained().then((fault) => {
        watched?.hold(false)
        settle({ ...how, lastWords: fault ?? how.lastWords })
      })
    },
  }
  const kill = (): void => {
    if (exit) return
    if (!killed) setTimeout(() => exit ?? watched?.distrust(), UNSEEN_MS).unref()
    killed = true
    killGroup(pid)
    // It may be about to start.
    if (pid === null) watched?.kill()
  }
  const onBooted = (): void => {
    const { memoryMb = null, maxProcesses = DEFAULT_MAX_PROCESSES, cgroup = null } = options
    watched?.limit({ memoryMb, maxProcesses, prlimit, cgroup })
  }
  const start = async (): Promise<void> => {
    const [{ command, before, after, prlimit: found }, { start: startIn }] = await Promise.all([
      programOf(options),
      supervisor(),
    ])
    prlimit = found
    const sandboxed = Boolean(options.sandbox)
    const args = [...before, ...FLAGS, ...(options.flags ?? []), ...after]
    watched = startIn(
      { command, args, cwd: sandboxed ? '/' : options.cwd, env: options.environment, sandboxed },
      watcher,
    )
    watched.hold(held)
    if (killed) watched.kill()
  }
  start().catch((error: unknown) =>
    watcher.onEnded({ code: null, signal: null, error: String(error), over: null, lastWords: null }),
  )

  return {
    exited,
    kill,
    send: (...frame) => void (exit || line.send(...frame)),
    hold(wanted) {
      held = wanted && !exit
      watched?.hold(held)
      line.hold(held)
    },
  }
}

async function programOf({ sandbox, cwd }: RunnerOptions): Promise<Program> {
  const program = await runnerProgram()
  const [runner = ''] = program.after
  if (!sandbox) return program
  const { command, args } = await confine(sandbox, cwd, runner)
  return { ...program, command, before: args }
}

interface Line {
  send(...frame: Parameters<RunnerProcess['send']>): void
  connect(socket: Socket, held: boolean): void
  /** Begins to write and read. */
  open(): void
  hold(held: boolean): void
  /** When all has been read; gives what was wrong with it, or null. */
  drained(): Promise<string | null>
}

/** The socket to a runner, and what waits to be sent on it. */
interface LineEvents {
  /** It has said something. */
  onFirst(): void
  /** Nothing more can be said on it. */
  onFault(): void
}

function createLine({ onFrame }: RunnerOptions, { onFirst, onFault }: LineEvents): Line {
  let socket: Socket | null = null
  let isOpen = false
  let fault: string | null = null
  let waiting: Buffer[] = []
  const writer = createFrameWriter((bytes) => {
    if (isOpen) socket?.write(bytes)
    else waiting.push(bytes)
  })
  const decode = createDecoder(onFrame, MAX_FRAME_BYTES)
  const read = (chunk: Buffer): void => {
    try {
      decode(chunk)
    } catch (error) {
      fault = `it broke the protocol: ${String(error)}`
      socket?.destroy()
      onFault()
    }
  }
  return {
    send: writer.send,
    connect(handed, held) {
      socket = handed.on('error', () => undefined)
      if (!held) socket.unref()
    },
    open() {
      writer.flush()
      isOpen = true
      for (const bytes of waiting.splice(0)) socket?.write(bytes)
      socket?.once('data', onFirst).on('data', read)
      socket?.once('close', () => setTimeout(onFault, CLOSED_MS).unref())
    },
    hold(held) {
      if (held) socket?.ref()
      else socket?.unref()
    },
    async drained() {
      waiting = []
      if (socket && isOpen && !socket.closed) await closed(socket)
      socket?.destroy()
      return fault
    },
  }
}

async function closed(socket: Socket): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve())
    timer = setTimeout(resolve, DRAIN_MS)
  })
  clearTimeout(timer)
}

function killGroup(pid: number | null): void {
  if (pid === null) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // There is nobody left in it.
  }
}
