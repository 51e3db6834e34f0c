import { randomUUID } from 'node:crypto'
import { explain, TappetError } from '../../errors.ts'
import type { Filter } from '../../filter/filter.ts'
import type { Logger } from '../../lib/log.ts'
import { startLoop } from '../../lib/service.ts'
import type { Reader } from '../../store/reader.ts'
import type { HttpReply, HttpRequest, HttpServer } from '../server.ts'
import { createChanges, type Look, messageOf } from './changes.ts'

/** Tells viewers what changes: one look at the ledger for all of them. */
export interface Stream {
  /**
   * Takes the connection over. `from`: the id of the last message that the viewer had.
   *
   * @throws TappetError TPT_OVERLOADED when there are too many.
   */
  open(
    request: HttpRequest,
    reply: HttpReply,
    viewer: { readonly filter: Filter; readonly from: string },
  ): void
  viewers(): number
  stop(): Promise<void>
}

export interface StreamDeps {
  readonly reader: Pick<Reader, 'changedRuns'>
  readonly server: HttpServer
  readonly logger: Logger
  /** Between two looks. Default 500 ms. */
  readonly everyMs?: number
}

const MAX_VIEWERS = 500
const HEARTBEAT_MS = 15_000
/** A key that was revoked is noticed within it. */
const ADMIT_MS = 1_000
/** How long it is watched for viewers who lost their connection. */
const KEEP_MS = 60_000
const MAX_BUFFERED = 1_048_576
/** Ids of other processes may come to be seen a little late. */
const OVERLAP_LOOKS = 10
const SINCE_MS = 5_000

interface Viewer {
  readonly request: HttpRequest
  readonly reply: HttpReply
  readonly filter: Filter
  readonly key: string
  /** It read too slowly and was not sent everything. */
  behind: boolean
}

export function createStream({ reader, server, logger, everyMs = 500 }: StreamDeps): Stream {
  const viewers = new Set<Viewer>()
  let life = beginLife()
  let idle = Infinity
  const close = (viewer: Viewer): void => {
    viewers.delete(viewer)
    viewer.reply.raw.end()
  }

  const look = async (): Promise<void> => {
    idle = viewers.size > 0 ? 0 : idle + 1
    if (idle * everyMs > KEEP_MS) return void (life = beginLife())
    const own = life
    const { runs, nowMs } = await reader.changedRuns({ after: own.marks[0] ?? '', sinceMs: SINCE_MS })
    if (own !== life) return
    own.marks.push(runs.reduce((newest, { id }) => (id > newest ? id : newest), own.marks.at(-1) ?? ''))
    if (own.marks.length > OVERLAP_LOOKS) own.marks.shift()
    const seen = own.changes.see(runs, nowMs)
    const begun = own.begun
    own.begun = true
    // At first everything is new: viewers have read the list already.
    if (seen !== null && begun) broadcast(viewers, seen, own.epoch)
  }
  const loop = startLoop(look, {
    everyMs,
    onError: (error) => logger.warn({ error: explain(error) }, 'could not look for changes of runs'),
  })

  const heartbeat = setInterval(() => viewers.forEach(({ reply }) => reply.raw.write(':\n\n')), HEARTBEAT_MS)
  const admitting = setInterval(() => {
    for (const viewer of viewers)
      void server.admits(viewer.request, 'read').then((admitted) => admitted || close(viewer))
  }, ADMIT_MS)
  for (const timer of [heartbeat, admitting]) timer.unref()
  const stop = async (): Promise<void> => {
    clearInterval(heartbeat)
    clearInterval(admitting)
    for (const viewer of viewers) close(viewer)
    await loop.stop()
  }
  server.addHook('preClose', stop)

  return {
    open(request, reply, { filter, from }) {
      if (viewers.size >= MAX_VIEWERS)
        throw new TappetError('TPT_OVERLOADED', `${MAX_VIEWERS} streams are open in this process.`)
      const viewer = { request, reply, filter, key: JSON.stringify(filter.terms), behind: false }
      begin(viewer)
      resume(viewer, from, life)
      viewers.add(viewer)
      reply.raw.once('close', () => viewers.delete(viewer))
      if (viewers.size === 1) loop.wake()
    },
    viewers: () => viewers.size,
    stop,
  }
}

/** From when somebody looks until nobody does. */
interface Life {
  readonly epoch: string
  readonly changes: ReturnType<typeof createChanges>
  /** The newest ids at the last looks. */
  readonly marks: string[]
  begun: boolean
}

function beginLife(): Life {
  return { epoch: randomUUID().slice(0, 8), changes: createChanges(), marks: [], begun: false }
}

function begin({ reply }: Viewer): void {
  reply.hijack()
  reply.raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  reply.raw.on('error', () => undefined)
  reply.raw.write('retry: 2000\n\n')
}

function resume(viewer: Viewer, from: string, { epoch, changes }: Life): void {
  if (from === '') return
  const [of, seq = ''] = from.split('-')
  const missed = of === epoch && /^\d{1,15}$/.test(seq) ? changes.after(Number(seq)) : null
  if (missed === null) return sendReset(viewer, epoch, changes.seq())
  const data = messageOf(missed, viewer.filter)
  if (data !== null) viewer.reply.raw.write(message('runs', `${epoch}-${changes.seq()}`, data))
}

function message(event: string, id: string, data: string): string {
  return `event: ${event}\nid: ${id}\ndata: ${data}\n\n`
}

/** The viewer has missed something: it should read its list again. */
function sendReset({ reply }: Viewer, epoch: string, seq: number): void {
  reply.raw.write(message('reset', `${epoch}-${seq}`, '{}'))
}

/** Viewers with one filter share one message. */
function broadcast(viewers: ReadonlySet<Viewer>, look: Look, epoch: string): void {
  const made = new Map<string, string | null>()
  for (const viewer of viewers) {
    const { key, filter, reply } = viewer
    if (reply.raw.writableLength > MAX_BUFFERED) {
      viewer.behind = true
      continue
    }
    if (viewer.behind) {
      viewer.behind = false
      sendReset(viewer, epoch, look.seq)
      continue
    }
    const known = made.get(key)
    const data = known === undefined ? messageOf([look], filter) : known
    if (known === undefined) made.set(key, data)
    if (data !== null) reply.raw.write(message('runs', `${epoch}-${look.seq}`, data))
  }
}
