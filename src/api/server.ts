import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'

import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'

import { createGuard } from '../access/guard.ts'
import type { Keys } from '../access/keys.ts'
import { CODES, TappetError } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { addBodyBudget } from './body-budget.ts'
import { drain, hasBody } from './body.ts'
import { asTappetError, errorBody, errorHeaders } from './error-body.ts'
import { guardRoutes } from './guard-routes.ts'
import { addWebSafety } from './web-safety.ts'

/**
 * The one HTTP server of a process. Admin routes, uploads and the HTTP trigger register on it before it listens.
 *
 * No body is read for them: every content type arrives as the untouched stream `request.raw`; `readBody` collects it.
 */
export type HttpServer = FastifyInstance
export type HttpRequest = FastifyRequest
export type HttpReply = FastifyReply

declare module 'fastify' {
  interface FastifyInstance {
    /** How long `readBody` waits for a whole body, in ms. */
    readonly requestTimeoutMs: number
  }
}

export interface ServerOptions {
  /** Admin keys in clear, good without a ledger. */
  readonly keys: readonly string[]
  /** All other keys. Default none. */
  readonly issued?: Keys
  readonly logger: Logger
  /** System routes answer only under the names of this machine itself. Default no. */
  readonly loopbackOnly?: boolean
  /** How long a request's body may take to arrive where `readBody` reads it. Default 30 s. */
  readonly requestTimeoutMs?: number
  /** Of the bodies of all requests under way together. Default 256 MiB. */
  readonly maxHeldBytes?: number
}

const HEADERS_TIMEOUT_MS = 10_000
/** Longer than the 60 s after which load balancers close idle connections: they must be the ones to close. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000
/** A connection on which no byte moves. Longer than the longest `wait` of an HTTP trigger. */
const CONNECTION_TIMEOUT_MS = 360_000
const MAX_CONNECTIONS = 10_000
const MAX_HEADER_BYTES = 16_384
const MAX_HEADERS = 100
const MAX_HELD_BYTES = 256 * 1_048_576
const LINGER_MS = 1_000
const LINGER_BYTES = 16 * 1_048_576

export function createServer(options: ServerOptions): HttpServer {
  const { keys, issued, logger, loopbackOnly = false, requestTimeoutMs = 30_000 } = options
  const { maxHeldBytes = MAX_HELD_BYTES } = options
  const server = fastify({
    logger: false,
    trustProxy: false,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // Node's own limit would cut long uploads: `readBody` has a deadline, uploads have a lowest speed.
    requestTimeout: 0,
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      insecureHTTPParser: false,
      keepAlive: true,
    },
    routerOptions: { maxParamLength: 1_024 },
    clientErrorHandler: refuseConnection,
    frameworkErrors: (error, request, reply) => void refuse(error, request, reply, logger),
  })
  server.server.maxConnections = MAX_CONNECTIONS
  server.server.maxHeadersCount = MAX_HEADERS

  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', (_request, _stream, done) => done(null))
  guardRoutes(server, createGuard(keys, issued ?? null))
  server.decorate('requestTimeoutMs', requestTimeoutMs)
  addBodyBudget(server, maxHeldBytes)
  server.setErrorHandler((error, request, reply) => refuse(error, request, reply, logger))
  server.setNotFoundHandler((request) => {
    const asked = `${request.method} ${request.url.slice(0, 200)}`
    throw new TappetError('TPT_ROUTE_NOT_FOUND', `There is no route for ${asked}.`)
  })
  server.addHook('onRequest', async ({ raw }) => {
    // Node takes `POST /path` without a version for HTTP/0.9.
    if (raw.httpVersionMajor === 1) return
    throw new TappetError('TPT_REQUEST_INVALID', `Expected HTTP/1.1 or 1.0, got HTTP/${raw.httpVersion}.`)
  })
  addWebSafety(server, loopbackOnly)
  closeConnections(server)
  return server
}

function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply, logger: Logger): FastifyReply {
  const known = asTappetError(error)
  if (known.code === 'TPT_INTERNAL')
    logger.error({ err: error, route: request.routeOptions.url }, 'request failed')
  if (known.code === 'TPT_SHUTDOWN') reply.header('connection', 'close')
  return reply
    .code(known.status)
    .headers(errorHeaders(known.status, known.code))
    .type('application/json')
    .send(JSON.stringify(errorBody(known)))
}

/** Answers what is not HTTP, too many headers, or headers that never end. There is no request object yet. */
function refuseConnection(error: Error & { readonly code?: string }, socket: Socket): void {
  const response = responseOn(socket)
  if (response?.req.complete) return endAfterResponses(socket)
  if (error.code === 'ECONNRESET' || !socket.writable || response?.headersSent) return void socket.destroy()
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
  const code = late ? 'TPT_REQUEST_TIMEOUT' : 'TPT_REQUEST_INVALID'
  const large = error.code === 'HPE_HEADER_OVERFLOW'
  const status = large
    ? '431 Request Header Fields Too Large'
    : late
      ? '408 Request Timeout'
      : '400 Bad Request'
  const message = large
    ? `The headers are larger than ${MAX_HEADER_BYTES} bytes.`
    : 'This is not an HTTP/1.1 request.'
  const text = late ? 'The headers did not arrive in time.' : message
  const body = JSON.stringify({ error: { code, message: text, hint: CODES[code].hint } })
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}`
  socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`, () => socket.destroy())
}

/** The response under way, if there is one: Node has no public name for it. */
function responseOn(socket: Socket): ServerResponse | null {
  const { _httpMessage: response } = socket as { readonly _httpMessage?: ServerResponse | null }
  return response ?? null
}

/** What came after whole requests is bad, not they: each is answered, or its sender would take the refusal for theirs. */
function endAfterResponses(socket: Socket): void {
  const response = responseOn(socket)
  if (response === null) return void socket.end(() => socket.destroy())
  response.once('close', () => setImmediate(endAfterResponses, socket))
}

/**
 * Closes a connection after its response when the server is closing, or when the response came before the request's
 * body had: then the rest of the body is read and dropped for a while, because closing earlier resets the connection
 * and the client would never see the response.
 */
function closeConnections(server: FastifyInstance): void {
  let closing = false
  server.addHook('preClose', async () => {
    closing = true
  })
  server.addHook('onSend', async ({ raw }, reply, payload) => {
    await Promise.resolve() // the end of a body that came with its headers is known only now
    if (closing) reply.header('connection', 'close')
    if (raw.complete || !hasBody(raw)) return payload
    reply.header('connection', 'close')
    if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return payload
    reply.header('content-length', Buffer.byteLength(payload))
    return Readable.from(lingering(payload, raw), { objectMode: false })
  })
  server.addHook('onResponse', async () => {
    if (closing) setImmediate(() => server.server.closeIdleConnections())
  })
}

async function* lingering(payload: string | Buffer, raw: IncomingMessage): AsyncGenerator<string | Buffer> {
  yield payload
  await drain(raw, LINGER_BYTES, LINGER_MS)
}
