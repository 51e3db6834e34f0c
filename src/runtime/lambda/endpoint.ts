import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loopTurns } from '../loop-turns.ts'
import type { Posted } from './answer.ts'
import type { Next } from './desk.ts'

/** What the Runtime API is answered by: one process asks it. */
export interface RuntimeApi {
  /** Gives the next invocation when there is one; null when it must not ask now. Gives up when `gone` aborts. */
  next(gone: AbortSignal): Promise<Next> | null
  /** Resolves when it has been taken; false when it does not answer what is under way. `posted` is null for too much. */
  answered(requestId: string, isError: boolean, posted: Posted | null): Promise<boolean>
  /** It does not load. */
  initFailed(posted: Posted): boolean
}

export interface Endpoint {
  /** `host:port`, as AWS_LAMBDA_RUNTIME_API has it. */
  readonly address: string
  /** When what has been posted until now is read and taken. */
  settled(): Promise<void>
  close(): void
}

type Serve = (api: RuntimeApi, exchange: Exchange) => void | Promise<void>

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Of the path; empty where it has none. */
  readonly requestId: string
  readonly maxBytes: number
}

const PREFIX = '/2018-06-01'
const ROUTES: readonly (readonly [method: string, path: RegExp, serve: Serve])[] = [
  ['GET', /^\/runtime\/invocation\/next$/, serveNext],
  ['POST', /^\/runtime\/invocation\/([^/]+)\/response$/, serveResponse],
  ['POST', /^\/runtime\/invocation\/([^/]+)\/error$/, (api, exchange) => serveAnswer(api, exchange, true)],
  ['POST', /^\/runtime\/init\/error$/, serveInitError],
  ['GET', /^\/ping$/, (_api, { response }) => void response.end('pong')],
]

/** The Runtime API of AWS Lambda, version 2018-06-01, on a loopback port of its own. */
export async function openEndpoint(api: RuntimeApi, maxBytes: number): Promise<Endpoint> {
  const busy = new Set<Promise<void>>()
  const server = createServer((request, response) => {
    const work = serve(api, request, response, maxBytes).catch(() => void response.destroy())
    busy.add(work)
    void work.finally(() => busy.delete(work))
  })
  // A function may be silent on its connection for as long as it works.
  Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 })
  await listen(server)
  const { port } = server.address() as AddressInfo
  return {
    address: `127.0.0.1:${port}`,
    async settled() {
      await loopTurns()
      await Promise.all(busy)
    },
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
}

async function serve(
  api: RuntimeApi,
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes: number,
): Promise<void> {
  const { url = '', method } = request
  const path = url.startsWith(PREFIX) ? url.slice(PREFIX.length) : ''
  const route = ROUTES.find(([, pattern]) => pattern.test(path))
  if (!route) return refuse(response, 404, 'NotFound', 'No such path in the Runtime API')
  const [expected, pattern, answer] = route
  if (method !== expected) return refuse(response, 405, 'MethodNotAllowed', `Expected ${expected}`)
  const [, requestId = ''] = pattern.exec(path) ?? []
  await answer(api, { request, response, requestId, maxBytes })
}

/** Its wait is no work of ours: nothing has been posted. */
function serveNext(api: RuntimeApi, { response }: Exchange): void {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const coming = api.next(gone.signal)
  if (coming === null) return refuseState(response)
  void coming.then(({ headers, event }) => response.writeHead(200, headers).end(event))
}

function serveResponse(api: RuntimeApi, exchange: Exchange): void | Promise<void> {
  const mode = exchange.request.headers['lambda-runtime-function-response-mode']
  if (mode === undefined || mode === 'streaming') return serveAnswer(api, exchange, false)
  const message = `Invalid response mode: ${String(mode)}`
  return refuse(exchange.response, 400, 'InvalidFunctionResponseMode', message)
}

async function serveAnswer(
  api: RuntimeApi,
  { request, response, requestId, maxBytes }: Exchange,
  isError: boolean,
): Promise<void> {
  const posted = await read(request, maxBytes)
  const isTaken = await api.answered(requestId, isError, posted)
  if (!isTaken) return refuse(response, 400, 'InvalidRequestID', 'Invalid request ID')
  if (posted !== null) return accept(response)
  const message = `Exceeded maximum allowed payload size (${maxBytes} bytes).`
  return refuse(response, 413, 'RequestEntityTooLarge', message)
}

async function serveInitError(api: RuntimeApi, { request, response, maxBytes }: Exchange): Promise<void> {
  const posted = await read(request, maxBytes)
  return posted !== null && api.initFailed(posted) ? accept(response) : refuseState(response)
}

/** Null for more than `maxBytes`; the rest of it is read, so that the sender gets to hear. */
async function read(request: IncomingMessage, maxBytes: number): Promise<Posted | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= maxBytes) chunks.push(chunk)
  }
  const { headers, trailers } = request
  return bytes > maxBytes ? null : { headers, trailers, body: Buffer.concat(chunks) }
}

function accept(response: ServerResponse): void {
  reply(response, 202, { status: 'OK' })
}

function refuseState(response: ServerResponse): void {
  refuse(response, 403, 'InvalidStateTransition', 'State transition is not allowed')
}

function refuse(response: ServerResponse, status: number, errorType: string, errorMessage: string): void {
  reply(response, status, { errorMessage, errorType })
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}
