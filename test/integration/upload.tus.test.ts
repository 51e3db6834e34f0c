import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Upload, type UploadOptions } from 'tus-js-client'
import { TappetError } from '../../src/errors.ts'
import { createDiskStorage } from '../../src/triggers/upload/disk-storage.ts'
import type { Files } from '../../src/triggers/upload/files.ts'
import { createMemoryFiles } from '../../src/triggers/upload/memory-files.ts'
import { eventually } from '../support/eventually.ts'
import {
  AUTHORIZED,
  createLedger,
  type Ledger,
  PNG,
  startUploadServer,
  subscribe,
  type UploadServer,
} from '../support/upload-server.ts'

const LIMIT = 3_000_000
const SUBSCRIPTIONS = [
  subscribe('docs/index', 'docs/**', { maxBytes: LIMIT }),
  subscribe('avatars/describe', 'avatars/:userId', { accept: ['image/png'] }),
]
const TUS = { 'tus-resumable': '1.0.0' }

let folder: string
let files: Files
let ledger: Ledger
let server: UploadServer
/** Thrown instead of taking an event, while set. */
let refuse: Error | null

const start = async (port = 0): Promise<void> => {
  const storage = await createDiskStorage(folder)
  server = await startUploadServer({ storage, files, emit: ledger.emit, subscriptions: SUBSCRIPTIONS, port })
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tappet-tus-'))
  files = createMemoryFiles()
  refuse = null
  ledger = createLedger(async () => {
    if (refuse) throw refuse
  })
  await start()
})
afterEach(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

const tusUrl = (): string => `${server.url}/_tappet/tus`
const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex')
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const drafts = (): Promise<string[]> => readdir(join(folder, 'drafts'))

/** Uploads by the client that people use; resolves when it says that it succeeded. */
function send(content: Buffer, options: Partial<UploadOptions> & { key: string }): Promise<Upload> {
  const { key, metadata, ...more } = options
  return new Promise((resolve, reject) => {
    const made: Upload = new Upload(content, {
      endpoint: tusUrl(),
      headers: AUTHORIZED,
      retryDelays: null,
      metadata: { key, ...metadata },
      onError: reject,
      onSuccess: () => resolve(made),
      ...more,
    })
    made.start()
  })
}

const request = (
  url: string,
  method: string,
  headers: Record<string, string> = {},
  body?: RequestInit['body'],
) =>
  fetch(url, {
    method,
    headers: { ...AUTHORIZED, ...TUS, ...headers },
    body: body ?? null,
    duplex: 'half',
  })

async function create(length: number, key: string, more: Record<string, string> = {}): Promise<string> {
  const headers = { 'upload-length': String(length), 'upload-metadata': `key ${base64(key)}`, ...more }
  const response = await request(tusUrl(), 'POST', headers)
  assert.equal(response.status, 201, await response.text())
  return new URL(response.headers.get('location') ?? '', tusUrl()).href
}

const patch = (
  url: string,
  offset: number | string,
  body: RequestInit['body'],
  more: Record<string, string> = {},
) =>
  request(
    url,
    'PATCH',
    { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream', ...more },
    body,
  )

const offsetOf = async (url: string): Promise<string | null> =>
  (await request(url, 'HEAD')).headers.get('upload-offset')

/** A body that sends a part and then waits until it is told to go on, or for ever. */
function slowly(first: Buffer, rest: Promise<Buffer> = new Promise(() => undefined)): RequestInit['body'] {
  async function* parts(): AsyncGenerator<Buffer> {
    yield first
    yield await rest
  }
  return Readable.toWeb(Readable.from(parts()))
}

describe('tus-js-client', () => {
  it('uploads in parts, in one request and at once on creation', async () => {
    const content = randomBytes(1_000_000)
    for (const more of [{ chunkSize: 300_000 }, {}, { uploadDataDuringCreation: true }]) {
      await send(content, { key: 'docs/a', metadata: { filename: 'é.bin', filetype: 'image/png' }, ...more })
      const { data } = ledger.events.at(-1) ?? assert.fail('no event')
      assert.deepEqual(
        { ...data, id: null },
        {
          id: null,
          key: 'docs/a',
          params: {},
          filename: 'é.bin',
          size: 1_000_000,
          sha256: sha256(content),
          contentType: 'application/octet-stream',
        },
      )
    }
    assert.equal(ledger.events.length, 3)
    assert.deepEqual(await drafts(), [])
  })

  it('uploads an empty file, and one of the largest size', async () => {
    await send(Buffer.alloc(0), { key: 'docs/empty' })
    await send(randomBytes(LIMIT), { key: 'docs/most' })
    assert.deepEqual(
      ledger.events.map(({ data }) => data.size),
      [0, LIMIT],
    )
    await assert.rejects(send(randomBytes(LIMIT + 1), { key: 'docs/more' }), /response code: 413/)
    assert.deepEqual(await drafts(), [])
  })

  it('pauses, and resumes where it was', async () => {
    const content = randomBytes(1_000_000)
    let resumed = 0
    await new Promise<void>((resolve, reject) => {
      const upload = new Upload(content, {
        endpoint: tusUrl(),
        headers: AUTHORIZED,
        metadata: { key: 'docs/paused' },
        chunkSize: 250_000,
        onError: reject,
        onSuccess: () => resolve(),
        onChunkComplete(_size, accepted) {
          if (accepted !== 500_000 || resumed++ > 0) return
          void upload.abort().then(() => upload.start())
        },
      })
      upload.start()
    })
    assert.equal(resumed, 1)
    assert.deepEqual(
      ledger.events.map(({ data }) => data.sha256),
      [sha256(content)],
    )
  })

  it('resumes on a server that was stopped and started again', async () => {
    const content = randomBytes(1_000_000)
    const { port } = server
    let restarting: Promise<void> | null = null
    await send(content, {
      key: 'docs/restarted',
      chunkSize: 250_000,
      retryDelays: [10, 50, 100, 200, 400, 800],
      onChunkComplete(_size, accepted) {
        if (accepted === 500_000) restarting ??= server.close().then(() => start(port))
      },
    })
    assert.notEqual(restarting, null)
    assert.deepEqual(
      ledger.events.map(({ data }) => data.sha256),
      [sha256(content)],
    )
    assert.deepEqual(await drafts(), [])
  })

  it('uploads two files at once', async () => {
    const contents = [randomBytes(500_000), randomBytes(500_000)]
    await Promise.all(contents.map((content, i) => send(content, { key: `docs/${i}`, chunkSize: 100_000 })))
    assert.deepEqual(ledger.events.map(({ data }) => data.sha256).toSorted(), contents.map(sha256).toSorted())
  })

  it('takes 8,192 bytes of metadata, and not one more', async () => {
    const metadata = (name: string): string => `key ${base64('docs/x')},${name} ${'A'.repeat(8_176)}`
    assert.equal(metadata('xx').length, 8_192)
    await create(1, 'docs/x', { 'upload-metadata': metadata('xx') })
    await assert.rejects(create(1, 'docs/x', { 'upload-metadata': metadata('xxx') }))
    assert.equal((await drafts()).length, 2, 'the content and the information of one draft')
  })

  it('ends an unfinished upload', async () => {
    const url = await create(10, 'docs/x')
    await Upload.terminate(url, { headers: AUTHORIZED })
    assert.equal((await request(url, 'HEAD')).status, 404)
    assert.deepEqual(await drafts(), [])
  })

  it('is told why a file is refused, and nothing is kept', async () => {
    await assert.rejects(
      send(Buffer.from('text'), { key: 'avatars/7' }),
      /response code: 415.*TPT_CONTENT_TYPE/,
    )
    await assert.rejects(send(PNG, { key: 'other/7' }), /response code: 404.*TPT_ROUTE_NOT_FOUND/)
    await assert.rejects(send(PNG, { key: 'avatars/../7' }), /response code: 422.*TPT_EVENT_INVALID/)
    await assert.rejects(send(PNG, { key: '' }), /response code: 422/)
    await assert.rejects(
      send(PNG, { key: 'avatars/7', metadata: { x: 'x'.repeat(7_000) } }),
      /response code: 400/,
    )
    assert.deepEqual(await drafts(), [])
    assert.deepEqual(await readdir(join(folder, 'files')), [])
    assert.equal(ledger.events.length, 0)
    await send(PNG, { key: 'avatars/7' })
    assert.deepEqual(ledger.events[0]?.data.params, { userId: '7' })
  })
})

describe('tus', () => {
  it('says what it can', async () => {
    const response = await request(tusUrl(), 'OPTIONS')
    assert.equal(
      response.headers.get('tus-extension'),
      'creation,creation-with-upload,termination,expiration',
    )
    assert.equal(response.headers.get('access-control-allow-origin'), null)
    assert.match((await create(1, 'docs/x')).slice(server.url.length), /^\/_tappet\/tus\/file_[0-9A-Z]{26}$/)
  })

  it('tells the offset and the metadata, before and after the end', async () => {
    const url = await create(4, 'docs/x')
    assert.equal((await patch(url, 0, 'ab')).headers.get('upload-offset'), '2')
    const open = await request(url, 'HEAD')
    assert.equal(open.headers.get('upload-offset'), '2')
    assert.equal(open.headers.get('upload-length'), '4')
    assert.equal(open.headers.get('upload-metadata'), `key ${base64('docs/x')}`)
    assert.equal((await patch(url, 2, 'cd')).status, 204)
    assert.equal(await offsetOf(url), '4')
    assert.equal((await patch(url, 4, '')).status, 204)
    assert.equal(ledger.events.length, 1)
  })

  it('refuses what is no continuation', async () => {
    const url = await create(4, 'docs/x')
    await patch(url, 0, 'ab')
    for (const [offset, status] of [
      [0, 409],
      [3, 409],
      [99, 409],
      ['-1', 400],
      ['0x2', 400],
      ['2.0', 400],
    ] as const)
      assert.equal((await patch(url, offset, 'cd')).status, status, String(offset))
    assert.equal((await patch(url, 2, 'cde')).status, 413)
    assert.equal((await patch(url, 2, 'cd', { 'content-type': 'text/plain' })).status, 400)
    assert.equal((await request(url, 'PATCH', { 'tus-resumable': '0.2.2' })).status, 400)
    assert.equal(await offsetOf(url), '2')
    assert.equal(ledger.events.length, 0)
  })

  it('refuses to end a finished upload, and knows no file by another name', async () => {
    const url = await create(2, 'docs/x')
    await patch(url, 0, 'ab')
    assert.equal((await request(url, 'DELETE')).status, 400)
    assert.equal(await offsetOf(url), '2')
    for (const id of ['x', '..%2ffiles', 'file_', '%00', 'x'.repeat(900)])
      assert.equal((await request(`${tusUrl()}/${id}`, 'HEAD')).status, 404, id)
  })

  it('refuses creations that make no sense', async () => {
    const metadata = `key ${base64('docs/x')}`
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await request(tusUrl(), 'POST', headers)).status
    assert.equal(await status({ 'upload-metadata': metadata }), 400)
    assert.equal(await status({ 'upload-length': '-1', 'upload-metadata': metadata }), 400)
    assert.equal(await status({ 'upload-defer-length': '1', 'upload-metadata': metadata }), 501)
    assert.equal(await status({ 'upload-length': '1', 'upload-metadata': 'key !' }), 400)
    assert.equal(
      await status({ 'upload-length': '1', 'upload-metadata': `key ${base64('x')},key ${base64('y')}` }),
      400,
    )
    assert.equal(await status({ 'upload-length': '1', 'upload-metadata': `__proto__ ${base64('x')}` }), 400)
    assert.equal(
      await status({ 'upload-length': '1', 'upload-metadata': metadata, 'upload-concat': 'partial' }),
      501,
    )
    assert.equal(await status({ 'upload-length': '1' }), 422)
    assert.deepEqual(await drafts(), [])
  })

  it('lets one of two writers at the same offset through, and only one', async () => {
    const url = await create(6, 'docs/x')
    const bodies = [Buffer.from('aaaaaa'), Buffer.from('bbbbbb')]
    const responses = await Promise.all(bodies.map((body) => patch(url, 0, new Uint8Array(body))))
    const statuses = responses.map(({ status }) => status)
    assert.equal(statuses.filter((status) => status === 204).length, 1, statuses.join())
    assert.ok(
      statuses.some((status) => status === 409 || status === 423),
      statuses.join(),
    )
    assert.equal(ledger.events.length, 1)
    const winner = bodies[statuses.indexOf(204)] ?? assert.fail()
    assert.equal(ledger.events[0]?.data.sha256, sha256(winner))
  })

  it('takes over from a writer that hangs, and keeps what it had brought', async () => {
    const url = await create(6, 'docs/x')
    const hanging = patch(url, 0, slowly(Buffer.from('abc'))).catch(() => undefined)
    await eventually(async () => (await drafts()).length > 0, 'the draft')
    await eventually(async () => (await offsetOf(url)) === '3', 'the offset to be told', 20_000)
    assert.equal((await patch(url, 3, 'def')).status, 204)
    assert.equal(ledger.events[0]?.data.sha256, sha256(Buffer.from('abcdef')))
    await hanging
  })

  it('keeps what came before the line broke', async () => {
    const url = await create(6, 'docs/x')
    const aborting = new AbortController()
    const headers = {
      ...AUTHORIZED,
      ...TUS,
      'upload-offset': '0',
      'content-type': 'application/offset+octet-stream',
    }
    const sent = fetch(url, {
      method: 'PATCH',
      headers,
      body: slowly(Buffer.from('abc')),
      duplex: 'half',
      signal: aborting.signal,
    } as RequestInit)
    const storage = await createDiskStorage(folder)
    await eventually(async () => (await storage.open(url.split('/').at(-1) ?? ''))?.size === 3, 'three bytes')
    aborting.abort()
    await assert.rejects(sent)
    await eventually(async () => (await offsetOf(url)) === '3', 'the offset')
    assert.equal(ledger.events.length, 0)
    assert.equal((await patch(url, 3, 'def')).status, 204)
    assert.equal(ledger.events[0]?.data.sha256, sha256(Buffer.from('abcdef')))
  })

  it('G1: does not say "done" before the event is durable, also when asked for the offset', async () => {
    const url = await create(2, 'docs/x')
    refuse = new TappetError('TPT_UNAVAILABLE', 'Postgres is away.')
    const last = await patch(url, 0, 'ab')
    assert.equal(last.status, 503)
    assert.match(await last.text(), /TPT_UNAVAILABLE.*its event follows by itself/)
    assert.equal((await request(url, 'HEAD')).status, 503)
    assert.equal(ledger.events.length, 0)
    refuse = null
    assert.equal(await offsetOf(url), '2')
    assert.equal(ledger.events.length, 1)
    assert.equal(await offsetOf(url), '2')
    assert.equal(ledger.events.length, 1)
  })

  it('finishes an upload whose last byte came just before a crash', async () => {
    const url = await create(2, 'docs/x')
    const storage = await createDiskStorage(folder)
    const draft = await storage.open(url.split('/').at(-1) ?? '')
    await draft?.append(Readable.from([Buffer.from('ab')]))
    assert.equal(await offsetOf(url), '2')
    assert.equal(ledger.events.length, 1)
  })
})
