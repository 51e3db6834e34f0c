import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { type Contestant, type Outcome, startSide } from '../harness/contest.ts'
import { closeAll, type RunGroup, showContest } from '../harness/group.ts'
import { type Figures, type Load, measure } from '../harness/side.ts'
import { startTappet } from '../harness/tappet.ts'

const FUNCTION = `import { defineFunction, upload } from 'tappet'
export default defineFunction({ on: upload('files/**', { maxBytes: 1_000_000_000 }) }, () => null)
`
const LARGE = 32_000_000
const SMALL = 1_000

type Send = (server: { readonly url: string; readonly key?: string }, bytes: number) => Promise<void>

/** Whole files by PUT, and by tus in one PATCH, until the server says that they are stored. */
export const uploads: RunGroup = async (servers, { seconds, rounds }) => {
  const tappet = await startTappet(servers, { 'file.ts': FUNCTION })
  const raw = await startSide(servers, 'uploads', 'rawHttp')
  const store = await startSide(servers, 'uploads', 'tusFileStore')
  const synced = 'file and folder, fsynced'
  const ours = { ...tappet, name: 'Tappet', durability: `${synced}; event and run, in Postgres, fsynced` }
  const theirs = { ...raw, name: 'node:http → file', durability: synced, url: String(raw.info) }
  const tus = { ...store, name: '@tus/file-store', durability: 'nothing', url: String(store.info) }
  const put = [by(ours, putTo('/_tappet/uploads/files/')), by(theirs, putTo('/'))]
  const resumable = [by(ours, tusTo('/_tappet/tus')), by(tus, tusTo('/files'))]
  const outcomes: Outcome[] = []
  try {
    for (const [bytes, inFlight] of [
      [LARGE, 1],
      [LARGE, 4],
      [SMALL, 1],
      [SMALL, 16],
    ] as const) {
      for (const [way, all] of [
        ['PUT', put],
        ['tus', resumable],
      ] as const) {
        const title = `${way} of ${bytes.toLocaleString('en')} bytes, ${inFlight} at once`
        const load = { seconds, inFlight, bytes }
        outcomes.push(await showContest(all, { title, load, rounds, headline: 'perSecond' }, servers))
      }
    }
  } finally {
    await closeAll([...put, ...resumable.slice(1)])
  }
  return outcomes
}

interface Server {
  readonly name: string
  readonly durability: string
  readonly url: string
  /** Of ours, which lets nobody in without. */
  readonly key?: string
  readonly pid: number
  readonly close: () => Promise<void>
}

function by(server: Server, send: Send): Contestant {
  const { name, durability, pid, close } = server
  const turn = async (load: Load): Promise<Figures> => {
    const figures = await measure(() => send(server, load.bytes), load)
    return { ...figures, mbPerSecond: ((figures.perSecond ?? 0) * load.bytes) / 1e6 }
  }
  return { name, durability, pids: [pid], turn, close }
}

const agent = new Agent({ keepAlive: true })
const bodies = new Map<number, Buffer<ArrayBuffer>>()
let count = 0

function putTo(path: string): Send {
  return async ({ url, key }, bytes) => {
    await send(new URL(`${path}${process.pid}-${count++}`, url), 'PUT', authorized(key), body(bytes))
  }
}

function tusTo(path: string): Send {
  return async ({ url, key: secret }, bytes) => {
    const key = Buffer.from(`files/${process.pid}-${count++}`).toString('base64')
    const resumable = { ...authorized(secret), 'tus-resumable': '1.0.0' }
    const headers = { ...resumable, 'upload-length': String(bytes) }
    const metadata = `key ${key},filename ${key}`
    const made = await send(new URL(path, url), 'POST', { ...headers, 'upload-metadata': metadata })
    const patch = {
      ...resumable,
      'upload-offset': '0',
      'content-type': 'application/offset+octet-stream',
    }
    await send(new URL(made ?? '', url), 'PATCH', patch, body(bytes))
  }
}

function authorized(key: string | undefined): Readonly<Record<string, string>> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` }
}

/** The answer's `Location`. */
function send(
  url: URL,
  method: string,
  headers: Readonly<Record<string, string>>,
  content = Buffer.alloc(0),
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(url, {
      ...{ method, agent, headers: { ...headers, 'content-length': content.length } },
    })
    asked.once('error', reject)
    asked.once('response', (response) => {
      void text(response).then((said) => {
        const { statusCode = 0, headers } = response
        if (statusCode >= 200 && statusCode < 300) resolve(headers.location)
        else reject(new Error(`${method} ${url.href} answered ${statusCode}: ${said.slice(0, 300)}`))
      }, reject)
    })
    asked.end(content)
  })
}

function body(bytes: number): Buffer<ArrayBuffer> {
  const made = bodies.get(bytes) ?? Buffer.alloc(bytes, 'x')
  bodies.set(bytes, made)
  return made
}
