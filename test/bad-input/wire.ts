import { connect, type Socket } from 'node:net'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Whether only the head could come. */
  readonly head: boolean
  json<T>(): T
  /** For messages. */
  text(): string
}

export interface Request {
  readonly method?: string
  /** As it goes over the wire, percent-encoded or not. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string | Buffer | readonly string[]>>
  readonly body?: string | Buffer
  /** The sender's own address. Default 127.0.0.1. */
  readonly from?: string
}

const PATIENCE_MS = 60_000

/** One well-framed request, whatever its parts hold, on a connection of its own. */
export async function send(
  port: number,
  { method = 'POST', path, headers = {}, body, from }: Request,
): Promise<Reply> {
  const bytes = Buffer.from(body ?? '')
  const lines: Buffer[] = [Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n`)]
  for (const [name, values] of Object.entries(headers)) {
    for (const value of Array.isArray(values) ? (values as string[]) : [values as string | Buffer])
      lines.push(Buffer.from(`${name}: `), Buffer.from(value), Buffer.from('\r\n'))
  }
  if (body !== undefined) lines.push(Buffer.from(`Content-Length: ${bytes.length}\r\n`))
  const replies = await sendRaw(port, [Buffer.concat([...lines, Buffer.from('\r\n'), bytes])], {
    head: method === 'HEAD',
    ...(from !== undefined && { from }),
  })
  const [reply] = replies
  if (!reply) throw new Error('the connection was closed without an answer')
  return reply
}

export interface RawOptions {
  /** After this long without an answer our side of the connection is closed. */
  readonly finishAfterMs?: number
  readonly head?: boolean
  readonly from?: string
  /** Between two chunks. Default none. */
  readonly everyMs?: number
}

/** Bytes as they are, and every answer until the server closes. */
export function sendRaw(
  port: number,
  chunks: readonly (string | Buffer)[],
  { finishAfterMs, head = false, from = '127.0.0.1', everyMs = 0 }: RawOptions = {},
): Promise<readonly Reply[]> {
  return new Promise((resolve, reject) => {
    const got: Buffer[] = []
    const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true })
    const finish = finishAfterMs === undefined ? undefined : setTimeout(() => socket.end(), finishAfterMs)
    const late = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no answer and no end within ${PATIENCE_MS} ms`))
    }, PATIENCE_MS)
    socket.on('data', (chunk) => got.push(chunk))
    socket.on('end', () => socket.end())
    // A reset after the answer is the server's right; what came before it counts.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(finish)
      clearTimeout(late)
      resolve(parse(Buffer.concat(got), head))
    })
    void drip(socket, chunks, everyMs)
  })
}

async function drip(socket: Socket, chunks: readonly (string | Buffer)[], everyMs: number): Promise<void> {
  for (const chunk of chunks) {
    if (socket.destroyed || socket.writableEnded) return
    socket.write(chunk)
    if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}

function parse(bytes: Buffer, head: boolean): readonly Reply[] {
  const replies: Reply[] = []
  let rest = bytes
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n')
    if (end < 0) break
    const [first = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n')
    const headers = Object.fromEntries(
      lines.map((line) => [
        line.split(':', 1)[0]?.toLowerCase() ?? '',
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    )
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? 0)
    const length = head || status < 200 ? 0 : Number(headers['content-length'] ?? Infinity)
    const body = rest.subarray(end + 4, Math.min(rest.length, end + 4 + length))
    rest = rest.subarray(end + 4 + body.length)
    if (status >= 200) replies.push(toReply(status, headers, body, head))
  }
  return replies
}

function toReply(status: number, headers: Record<string, string>, raw: Buffer, head: boolean): Reply {
  const body = headers['transfer-encoding'] === 'chunked' ? unchunk(raw) : raw
  return {
    status,
    headers,
    body,
    head,
    json: <T>() => JSON.parse(body.toString()) as T,
    text: () => `${status} ${body.toString().slice(0, 400)}`,
  }
}

function unchunk(raw: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let rest = raw; ;) {
    const end = rest.indexOf('\r\n')
    const size = parseInt(rest.subarray(0, Math.max(0, end)).toString(), 16)
    if (!(size > 0)) return Buffer.concat(parts)
    parts.push(rest.subarray(end + 2, end + 2 + size))
    rest = rest.subarray(end + 4 + size)
  }
}
