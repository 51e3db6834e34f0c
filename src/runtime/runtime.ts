import type { Failure } from '../errors.ts'
import type { Envelope } from '../events/envelope.ts'
import type { Trace } from '../events/trace.ts'
import type { Issue } from '../lib/schema.ts'
import type { Declared } from '../triggers/trigger.ts'

/** A function as the broker knows it: what its file declares, as JSON. Code and schemas stay in its own process. */
export interface LoadedFunction {
  /** Path under `functions/`, without the extension. */
  readonly id: string
  /** Path of the source file, relative to the project's folder: what messages name. */
  readonly file: string
  /** In what it runs: Node, a process that speaks NDJSON, a process a call, Lambda's Runtime API, or a server. Default `node`. */
  readonly runtime?: 'node' | 'ndjson' | 'script' | 'lambda' | 'http'
  /** What a runtime of Lambda's is told to run: `_HANDLER`. */
  readonly handler?: string
  /** Where the server is, and how it is asked; for runtime `http`. */
  readonly http?: HttpTarget
  /** Program and arguments, run in the folder of `bundle`; for other runtimes than `node`. */
  readonly command?: readonly string[]
  /** Absolute path of the bundle that a runner loads; of what declares it, for other runtimes than `node`. */
  readonly bundle: string
  /** First 12 hexadecimal digits of the sha256 of the bundle, or of the files in another language. */
  readonly version: string
  readonly triggers: readonly Declared[]
  readonly retry: ResolvedRetry
  readonly timeoutMs: number
  /** Most attempts at once over the whole cluster; null for no limit. */
  readonly concurrency: number | null
  /** Most calls at once in one of its processes. */
  readonly instanceConcurrency: number
  /** Most processes of it on one worker; null for as many as it takes. */
  readonly maxInstances: number | null
  /** Processes that each worker keeps ready. */
  readonly provisioned: number
  /** Most memory of one of its processes, on top of what an empty one takes, in MB. */
  readonly memoryMb: number
  /** Most processes that one of its processes may have started and that are still there. */
  readonly maxProcesses: number
  /** Whether its process is in a sandbox. Default `process`. */
  readonly isolation?: 'process' | 'sandbox'
  /** In a sandbox, whether it may use the network. Default false. */
  readonly network?: boolean
  /** In a sandbox, what it may read of the machine's files. Default: nothing. */
  readonly reads?: readonly string[]
  /** Names of the environment variables that its process gets. */
  readonly env: readonly string[]
  /** Whether a schema says what they must be. */
  readonly hasEnvSchema: boolean
  /** Names of those whose values nobody may see; its process gets them, too. */
  readonly secrets: readonly string[]
  /** Name of the environment variable with the URL of `ctx.db`; null for the ledger's database. */
  readonly database: string | null
  readonly hasIdempotencyKey: boolean
  readonly hasOrderingKey: boolean
  /** It answers requests itself: `serve` instead of `run`. Default no. */
  readonly web?: true
}

/** Where the server of a function is, and how it is asked. */
export interface HttpTarget {
  /** Of a server that runs already; null when we start it, with PORT in its environment. */
  readonly url: string | null
  /** What is posted to. */
  readonly path: string
  /** What answers 2xx when the server may be asked; null when it may as soon as it takes connections. */
  readonly ready: string | null
  /** CloudEvents' way to put an event into a request: its data alone, or the whole event. */
  readonly content: 'binary' | 'structured'
}

/** A retry policy with every default filled in, in milliseconds. */
export interface ResolvedRetry {
  /** Tries in all, the first included. */
  readonly attempts: number
  readonly delayMs: number
  readonly factor: number
  readonly maxDelayMs: number
  /** Share of each wait that is random, 0 to 1. */
  readonly jitter: number
}

export interface Invocation {
  readonly runId: string
  /** 1 on the first try. */
  readonly attempt: number
  readonly maxAttempts: number
  readonly event: Envelope
  /** Place in `on` of the trigger that made the event: its schemas apply. */
  readonly trigger: number
  /** Run with no other call in the same process: it was lost before, and may be why. */
  readonly alone: boolean
  /** What the function, and what it sends, follows. */
  readonly trace: Trace
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** One line that a function wrote, by `ctx.log` or to its console. */
export interface LogLine {
  readonly runId: string
  readonly attempt: number
  /** RFC 3339. */
  readonly time: string
  readonly level: LogLevel
  readonly message: string
  /** Further fields, JSON; null when there are none. */
  readonly fields: Readonly<Record<string, unknown>> | null
}

/** How an attempt came out, as data: nothing thrown crosses this line. */
export type Settled =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly failure: Failure; readonly lost: false }
  /** The process died of something else (another call, a shutdown). Not this run's fault, so no attempt is used. */
  | { readonly ok: false; readonly failure: Failure; readonly lost: true }

/** What one attempt took. */
export interface Meter {
  /** From the call to its answer, within the process; the start of the function's code included where it is cold. */
  readonly durationMs: number
  /** CPU time: where calls overlapped in the process, its share. Null where the process could not say. */
  readonly cpuMs: number | null
  /** Most memory that the process had taken until then, in KiB, whatever for. Null where it could not say. */
  readonly peakKb: number | null
  /** The process had not loaded the function yet when the call came. */
  readonly cold: boolean
  /** Of the event, as JSON. */
  readonly bytesIn: number
  /** Of the result or the failure, as JSON. */
  readonly bytesOut: number
}

/** Whether a function takes an event, and under which idempotency and ordering keys. */
export type Admission =
  | { readonly ok: true; readonly key: string | null; readonly orderingKey: string | null }
  | { readonly ok: false; readonly issues: readonly Issue[] }

/** What a running function may ask of the broker. Every method may reject; the function sees the error. */
export interface HostCalls {
  /** Puts a message on a queue; resolves when it is durable. */
  send(message: HostMessage, from: { readonly functionId: string; readonly runId: string }): Promise<void>
  /** Size and names of a stored file; rejects with TPT_NOT_FOUND. */
  fileInfo(key: string): Promise<HostFile>
  /** Bytes `start` to `end` (exclusive) of a stored file. At most 1 MiB a call. */
  fileRead(id: string, start: number, end: number): Promise<Buffer>
}

export interface HostMessage {
  readonly queue: string
  readonly data: unknown
  readonly key: string | null
  readonly delayMs: number
  /** Of the run that sends it. */
  readonly trace: Trace
}

export interface HostFile {
  readonly id: string
  readonly key: string
  readonly size: number
  readonly contentType: string
  readonly sha256: string
}

/** Names and values of headers, in their order; a name may come again. */
export type HeaderList = readonly (readonly [name: string, value: string])[]

/** A request for a web handler. */
export interface WebRequest {
  readonly method: string
  /** Absolute. */
  readonly url: string
  readonly headers: HeaderList
  /** Those of the route's path, decoded. */
  readonly params: Readonly<Record<string, string>>
  /** Null for none. */
  readonly body: ReadBody | null
  /** Aborts when nobody waits for the response any more. */
  readonly gone: AbortSignal
}

/**
 * Reads a body and gives `take` each piece, the next when `take` has resolved; resolves at its end, or when `take` gives
 * false. Rejects when it breaks off.
 */
export type ReadBody = (take: (piece: Buffer) => Promise<boolean>) => Promise<void>

/** Where the response of a web handler goes: a head, pieces of its body, and an end or a failure. */
export interface WebResponse {
  head(status: number, headers: HeaderList): void
  /** Resolves when there is room for more. */
  write(piece: Buffer): Promise<void>
  end(): void
  /** There is no response, or it breaks off. Nothing after an end. */
  fail(failure: Failure): void
}

/** One request to one function, and where its response goes. */
export interface WebCall {
  readonly runId: string
  readonly trace: Trace
  readonly request: WebRequest
  readonly response: WebResponse
}

/** Where user code runs. Keeps it from taking the broker down with it. */
export interface FunctionRuntime {
  /**
   * Runs one attempt. Never rejects. When `signal` aborts, the function's own signal does; a second later it is
   * killed. Settles with the abort's reason then. Calls `onStart` when it no longer waits for a place nor for
   * its process to load the function, and `onMeter` before it settles, if it had a place.
   */
  run(
    fn: LoadedFunction,
    invocation: Invocation,
    signal: AbortSignal,
    onStart?: () => void,
    onMeter?: (meter: Meter) => void,
  ): Promise<Settled>
  /**
   * Lets a web handler answer one request, as `run` runs an attempt. Settles when nothing of the call is under way in its
   * process any more, `{ status }` being the result; the response may have ended long before. Nothing is tried again.
   */
  serve(
    fn: LoadedFunction,
    call: WebCall,
    signal: AbortSignal,
    onStart?: () => void,
    onMeter?: (meter: Meter) => void,
  ): Promise<Settled>
  /** Checks an event against the schemas of trigger `index` and computes its keys. */
  admit(fn: LoadedFunction, event: Envelope, index: number): Promise<Admission>
  /** Lets go of processes of versions that are not in `functions`, once their calls are done. */
  retain(functions: readonly LoadedFunction[]): void
  /** Kills what is left. Idempotent. */
  close(): Promise<void>
}
