import { existsSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { API } from '../api/paths.ts'
import { CODES, type ErrorCode } from '../errors.ts'
import type { Issue } from '../lib/schema.ts'
import { openStateFolder, type Running } from '../state-folder.ts'
import type { Cli } from './cli.ts'
import { CliError } from './errors.ts'

/** A server of Tappet, as commands talk to it. */
export interface Server {
  readonly url: string
  get<T>(path: string, query?: Query): Promise<T>
  post<T>(
    path: string,
    body?: unknown,
    options?: { readonly query?: Query; readonly timeoutMs?: number },
  ): Promise<T>
  /** Sends a body as it is. */
  put<T>(path: string, body: Readable, length: number): Promise<T>
  /** An answer of any status, as it came. */
  look(path: string): Promise<{ readonly status: number; readonly body: unknown }>
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

type Init = Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> }

const TIMEOUT_MS = 30_000
const START_IT = 'Start it with `npm run dev` (or `tappet start`), or name one with --url or TAPPET_URL.'

/** @throws CliError TPT_UNAVAILABLE when nothing says where a server is. */
export async function connect(cli: Cli): Promise<Server> {
  const { flags } = cli
  const { TAPPET_URL, TAPPET_TOKEN, TAPPET_ADMIN_TOKEN } = cli.environment()
  const local = await findRunning(cli)
  const url = flags.url ?? TAPPET_URL ?? local?.url
  if (url === undefined) {
    throw new CliError('TPT_UNAVAILABLE', `no Tappet is running in ${cli.root}`, { hint: START_IT })
  }
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new CliError(
      'TPT_CONFIG_INVALID',
      `the server's URL must begin with http:// or https://, got ${JSON.stringify(url)}`,
    )
  }
  const given = flags.token ?? TAPPET_TOKEN ?? TAPPET_ADMIN_TOKEN
  // The key of this folder goes to the server of this folder only.
  const token =
    given ?? (local?.url === url ? await (await openStateFolder(local.folder)).adminKey() : undefined)
  return createServer(url.replace(/\/+$/, ''), token)
}

/** What runs in the project's folder; null if there is nothing. Makes no folder. */
export async function findRunning({
  config,
  root,
}: Cli): Promise<(Running & { readonly folder: string }) | null> {
  const folder = config({ root }).stateFolder
  if (!existsSync(folder)) return null
  const running = await (await openStateFolder(folder)).running()
  return running && { ...running, folder }
}

function createServer(url: string, token: string | undefined): Server {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const call = async <T>(path: string, init: Init, timeoutMs: number | null): Promise<T> => {
    const response = await send(url, path, { ...init, headers: { ...headers, ...init.headers } }, timeoutMs)
    if (!response.ok) throw refusal(response.status, response.body, url)
    return response.body as T
  }
  return {
    url,
    get: (path, query) => call(absolute(path) + queryString(query), {}, TIMEOUT_MS),
    post(path, body, { query, timeoutMs = TIMEOUT_MS } = {}) {
      const json =
        body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
      return call(absolute(path) + queryString(query), { method: 'POST', ...json }, timeoutMs)
    },
    put(path, body, length) {
      const stream = { method: 'PUT', body, duplex: 'half', headers: { 'content-length': String(length) } }
      return call(path, stream as unknown as Init, null)
    },
    look: (path) => send(url, path, { headers }, TIMEOUT_MS),
  }
}

function absolute(path: string): string {
  return path.startsWith('/_tappet/') ? path : API + path
}

function queryString(query: Query = {}): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) params.set(name, String(value))
  return params.size === 0 ? '' : `?${params.toString()}`
}

interface Answer {
  readonly ok: boolean
  readonly status: number
  readonly body: unknown
}

async function send(
  base: string,
  path: string,
  init: RequestInit,
  timeoutMs: number | null,
): Promise<Answer> {
  try {
    const signal = timeoutMs === null ? null : AbortSignal.timeout(timeoutMs)
    const response = await fetch(base + path, { ...init, signal })
    return { ok: response.ok, status: response.status, body: parse(await response.text(), response, base) }
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError('TPT_UNAVAILABLE', `cannot reach ${base}: ${reason(error)}`, {
      hint: START_IT,
      cause: error,
    })
  }
}

function parse(text: string, { status, headers }: Response, base: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text)
  } catch {
    const got = `HTTP ${status} with ${headers.get('content-type') ?? 'no content type'}`
    throw new CliError('TPT_UNAVAILABLE', `expected a Tappet server at ${base}, got ${got}`, {
      hint: START_IT,
    })
  }
}

function reason(error: unknown): string {
  const { cause, message, name } = error as Error & {
    readonly cause?: { readonly code?: string; readonly message?: string }
  }
  if (name === 'TimeoutError') return 'no answer in time'
  return cause?.code ?? cause?.message ?? message
}

function refusal(status: number, body: unknown, url: string): CliError {
  const { error } = (body ?? {}) as {
    readonly error?: {
      readonly code?: string
      readonly message?: string
      readonly hint?: string
      readonly issues?: readonly Issue[]
    }
  }
  const { code = '', message = `${url} answered ${status}`, hint, issues } = error ?? {}
  const known: ErrorCode = Object.hasOwn(CODES, code) ? (code as ErrorCode) : 'TPT_INTERNAL'
  return new CliError(known, message, { ...(hint !== undefined && { hint }), ...(issues && { issues }) })
}
