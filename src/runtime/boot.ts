import { DEFAULT_MAX_PROCESSES, DEFAULT_MEMORY_MB } from './declaration.ts'
import type { LoadedFunction } from './runtime.ts'
import { type RunnerHandlers, type RunnerProcess, startRunner } from './runner-process.ts'
import { SANDBOX_ENVIRONMENT, type View } from './sandbox/bubblewrap.ts'
import { viewOf } from './sandbox/confined.ts'
import { createSpares, type Spares } from './spares.ts'

/** With what a process is started: what cannot be changed once it runs. */
export interface Boot {
  readonly environment: Readonly<Record<string, string>>
  readonly flags: readonly string[]
  readonly memoryMb: number
  readonly maxProcesses: number
  /** Null: it is in no sandbox. */
  readonly sandbox: View | null
}

export interface Booter {
  /** A process for a function: a spare, if one will do. */
  start(fn: LoadedFunction, handlers: RunnerHandlers): RunnerProcess
  /** These are what may be started from now on. */
  expect(functions: readonly LoadedFunction[]): void
  close(): Promise<void>
}

export interface BooterOptions {
  readonly root: string
  readonly spares: number
  /** Whether no process is started outside of a sandbox. */
  readonly sandboxesOnly: boolean
  /** The control group in which each process gets one of its own; null for none. */
  readonly cgroup: string | null
  /** What every function's process sees of the environment. */
  readonly baseEnvironment: Readonly<Record<string, string>>
  readonly environment: (fn: LoadedFunction) => Readonly<Record<string, string>>
}

/** Share of a function's memory that its JavaScript heap may have: buffers and code need some, too. */
const HEAP_SHARE = 0.75

/** Variables that Node, V8, libc and ICU read when a process starts, and never again. */
const READ_AT_START = /^(NODE_(?!ENV$)|UV_|LD_|DYLD_|MALLOC_|GLIBC_|SSL_|OPENSSL_|LC_|LANG|ICU_|TZ$)/

export function createBooter({
  root,
  spares: count,
  sandboxesOnly,
  cgroup,
  baseEnvironment,
  environment,
}: BooterOptions): Booter {
  const spares = new Map<string, Spares>()
  const usual = (sandbox: View | null): Boot => ({
    environment: environmentOf(baseEnvironment, sandbox),
    ...limitsOf({ memoryMb: DEFAULT_MEMORY_MB, maxProcesses: DEFAULT_MAX_PROCESSES }),
    sandbox,
  })
  /** Spares are of three kinds: in no sandbox, in one, in one with the network. */
  const keep = (sandbox: View | null): void => {
    const boot = usual(sandbox)
    const kind = JSON.stringify(boot)
    if (count > 0 && !spares.has(kind)) spares.set(kind, createSpares({ count, cwd: root, cgroup, ...boot }))
  }
  if (!sandboxesOnly) keep(null)
  return {
    start(fn, handlers) {
      const boot = bootOf(fn, baseEnvironment, environment(fn))
      const spare = spares.get(JSON.stringify(boot))?.take(handlers)
      return spare ?? startRunner({ cwd: root, cgroup, ...boot, ...handlers })
    },
    expect(functions) {
      for (const view of functions.map(viewOf)) if (view?.reads.length === 0) keep(view)
    },
    close: async () => void (await Promise.all([...spares.values()].map((kind) => kind.close()))),
  }
}

function environmentOf(base: Boot['environment'], sandbox: View | null): Boot['environment'] {
  return sandbox ? { ...base, ...SANDBOX_ENVIRONMENT } : base
}

function bootOf(fn: LoadedFunction, base: Boot['environment'], environment: Boot['environment']): Boot {
  const atStart = Object.entries(environment).filter(([name]) => READ_AT_START.test(name))
  const sandbox = viewOf(fn)
  const wanted = environmentOf({ ...base, ...Object.fromEntries(atStart) }, sandbox)
  return { environment: wanted, ...limitsOf(fn), sandbox }
}

type Share = Pick<Boot, 'memoryMb' | 'maxProcesses'>

function limitsOf({ memoryMb, maxProcesses }: Share): Share & Pick<Boot, 'flags'> {
  return {
    flags: [`--max-old-space-size=${Math.floor(memoryMb * HEAP_SHARE)}`],
    ...{ memoryMb, maxProcesses },
  }
}
