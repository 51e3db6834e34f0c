import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TappetError } from '../../src/errors.ts'
import type { Envelope } from '../../src/events/envelope.ts'
import { type Catalog, loadCatalog } from '../../src/runtime/catalog.ts'
import { createDescriber } from '../../src/runtime/describer.ts'
import { createProcessRuntime, type ProcessRuntimeOptions } from '../../src/runtime/process.ts'
import type {
  FunctionRuntime,
  HostCalls,
  HostMessage,
  Invocation,
  LoadedFunction,
  LogLine,
} from '../../src/runtime/runtime.ts'
import { recordingLogger } from './recording-logger.ts'

/** A broker for functions that writes down what they ask of it. */
export interface FakeHost extends HostCalls {
  readonly sent: readonly (HostMessage & { readonly functionId: string; readonly runId: string })[]
  readonly reads: readonly number[]
}

/** 1 MB that compresses badly, as the file `big.bin`; `empty.bin` is empty. */
export const BIG = randomBytes(1_000_000)

export function fakeHost(): FakeHost {
  const files: Readonly<Record<string, Buffer>> = { 'big.bin': BIG, 'empty.bin': Buffer.alloc(0) }
  const sent: FakeHost['sent'][number][] = []
  const reads: number[] = []
  return {
    sent,
    reads,
    async send(message, from) {
      if (message.queue === 'full') throw new TappetError('TPT_UNAVAILABLE', 'the ledger does not answer')
      sent.push({ ...message, ...from })
    },
    async fileInfo(key) {
      const bytes = files[key]
      if (!bytes) throw new TappetError('TPT_NOT_FOUND', `expected a stored file '${key}', found none`)
      return { id: `file_${key}`, key, size: bytes.length, contentType: 'text/plain', sha256: 'abc' }
    },
    async fileRead(id, start, end) {
      reads.push(end - start)
      return files[id.slice('file_'.length)]?.subarray(start, end) ?? Buffer.alloc(0)
    },
  }
}

export function makeInvocation(data: unknown, more: Partial<Invocation> = {}): Invocation {
  return {
    runId: `run_${randomBytes(8).toString('hex')}`,
    attempt: 1,
    maxAttempts: 5,
    trigger: 0,
    alone: false,
    trace: {},
    event: messageOf(data),
    ...more,
  }
}

export function messageOf(data: unknown, more: object = {}): Envelope {
  return {
    specversion: '1.0',
    id: randomBytes(8).toString('hex'),
    source: '/queue/test',
    type: 'queue.message',
    time: '2026-11-23T12:00:00.000Z',
    data,
    ...more,
  }
}

/** A signal that nobody aborts. */
export const never = new AbortController().signal
setMaxListeners(0, never)

export interface Project {
  readonly root: string
  write(file: string, text: string): Promise<void>
  load(environment?: Readonly<Record<string, string>>, deadlineMs?: number): Promise<Catalog>
  remove(): Promise<void>
}

/** A project's folder with the files of a function each. */
export async function makeProject(files: Readonly<Record<string, string>> = {}): Promise<Project> {
  const root = await mkdtemp(join(tmpdir(), 'tappet-project-'))
  const write = async (file: string, text: string): Promise<void> => {
    const path = join(root, 'functions', file)
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, text)
  }
  for (const [file, text] of Object.entries(files)) await write(file, text)
  let describe: ReturnType<typeof createDescriber> | undefined
  return {
    root,
    write,
    load(environment = {}, deadlineMs = 10_000) {
      describe ??= createDescriber({ root, environment, deadlineMs })
      return loadCatalog({ root, buildDir: join(root, '.tappet/build'), describe })
    },
    remove: () => rm(root, { recursive: true, force: true }),
  }
}

/** A file for each exported function of a module of the tests. */
export function filesOf(module: string, names: readonly string[]): Record<string, string> {
  const path = fileURLToPath(new URL(module, import.meta.url))
  return Object.fromEntries(
    names.map((name) => [`${name}.ts`, `export { ${name} as default } from '${path}'\n`]),
  )
}

export interface ProcessHarness {
  readonly runtime: FunctionRuntime
  readonly host: FakeHost
  readonly logs: readonly LogLine[]
  /** What the broker's log got. */
  readonly output: readonly string[]
  close(): Promise<void>
}

export function startProcesses(root: string, more: Partial<ProcessRuntimeOptions> = {}): ProcessHarness {
  const host = fakeHost()
  const logs: LogLine[] = []
  const { logger, lines } = recordingLogger()
  const runtime = createProcessRuntime({
    root,
    host,
    environment: () => ({}),
    databaseUrl: () => '',
    onLog: (written) => void logs.push(...written),
    logger,
    ...more,
  })
  return { runtime, host, logs, output: lines, close: () => runtime.close() }
}

export function find(catalog: Catalog, id: string): LoadedFunction {
  const found = catalog.functions.find((fn) => fn.id === id)
  if (!found) throw new Error(`expected the function '${id}', got: ${JSON.stringify(catalog, null, 2)}`)
  return found
}
