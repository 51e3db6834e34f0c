import { DEFAULT_MEMORY_MB } from './declaration.ts'
import type { LoadedFunction } from './runtime.ts'
import { type RunnerHandlers, type RunnerProcess, startRunner } from './runner-process.ts'
import { createSpares } from './spares.ts'

/** With what a process is started: what cannot be changed once it runs. */
export interface Boot {
  readonly environment: Readonly<Record<string, string>>
  readonly flags: readonly string[]
  readonly memoryMb: number
}

export interface Booter {
  /** A process for a function: a spare, if one will do. */
  start(fn: LoadedFunction, handlers: RunnerHandlers): RunnerProcess
  close(): Promise<void>
}

export interface BooterOptions {
  readonly root: string
  readonly spares: number
  /** What every function's process sees of the environment. */
  readonly baseEnvironment: Readonly<Record<string, string>>
  readonly environment: (fn: LoadedFunction) => Readonly<Record<string, string>>
}

/** Share of a function's memory that its JavaScript heap may have: buffers and code need some, too. */
const HEAP_SHARE = 0.75

/** Variables that Node, V8, libc and ICU read when a process starts, and never again. */
const READ_AT_START = /^(NODE_(?!ENV$)|UV_|LD_|DYLD_|MALLOC_|GLIBC_|SSL_|OPENSSL_|LC_|LANG|ICU_|TZ$)/

export function createBooter({ root, spares: count, baseEnvironment, environment }: BooterOptions): Booter {
  const usual: Boot = { environment: baseEnvironment, ...memoryOf(DEFAULT_MEMORY_MB) }
  const spares = count > 0 ? createSpares({ count, cwd: root, ...usual }) : null
  return {
    start(fn, handlers) {
      const boot = bootOf(fn, baseEnvironment, environment(fn))
      const spare = isSame(boot, usual) ? spares?.take(handlers) : null
      return spare ?? startRunner({ cwd: root, ...boot, ...handlers })
    },
    close: async () => spares?.close(),
  }
}

function bootOf(
  { memoryMb }: LoadedFunction,
  base: Boot['environment'],
  environment: Boot['environment'],
): Boot {
  const atStart = Object.entries(environment).filter(([name]) => READ_AT_START.test(name))
  return { environment: { ...base, ...Object.fromEntries(atStart) }, ...memoryOf(memoryMb) }
}

function memoryOf(memoryMb: number): Pick<Boot, 'flags' | 'memoryMb'> {
  return { flags: [`--max-old-space-size=${Math.floor(memoryMb * HEAP_SHARE)}`], memoryMb }
}

function isSame(one: Boot, other: Boot): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
