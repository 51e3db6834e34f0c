import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { createDiskStorage } from '../../src/triggers/upload/disk-storage.ts'
import type { Receipt } from '../../src/triggers/upload/intake.ts'
import { createMemoryFiles } from '../../src/triggers/upload/memory-files.ts'
import { eventually } from '../support/eventually.ts'
import { rawExchange } from '../support/http-client.ts'
import {
  AUTHORIZED,
  createLedger,
  KEY,
  type Ledger,
  PNG,
  startUploadServer,
  subscribe,
  type UploadServer,
} from '../support/upload-server.ts'

const run = promisify(execFile)
const LIMIT = 300_000

const SUBSCRIPTIONS = [
  subscribe('avatars/describe', 'avatars/:userId/**', { accept: ['image/*'], maxBytes: LIMIT }),
  subscribe('docs/index', 'docs/**', { maxBytes: LIMIT }),
  subscribe('docs/preview', 'docs/:name', { accept: ['text/plain'], maxBytes: 10 }),
  subscribe('bad/pattern', 'x/**/y'),
  subscribe('bad/accept', 'csv/*', { accept: ['text/csv'] }),
]

const sha256 = (content: Buffer | string): string => createHash('sha256').update(content).digest('hex')

let folder: string
let ledger: Ledger
let server: UploadServer

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tappet-upload-'))
})
after(() => rm(folder, { recursive: true, force: true }))

beforeEach(async () => {
  ledger = createLedger()
  const storage = await createDiskStorage(folder)
  server = await startUploadServer({
    storage,
    files: createMemoryFiles(),
    emit: ledger.emit,
    subscriptions: SUBSCRIPTIONS,
  })
})
afterEach(async () => {
  await server.close()
  assert.deepEqual(await readdir(join(folder, 'drafts')), [], 'drafts were left behind')
  for (const name of await readdir(join(folder, 'files'))) await rm(join(folder, 'files', name))
})

const put = (
  key: string,
  body: RequestInit['body'] | null,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(`${server.url}/_tappet/uploads/${key}`, {
    method: 'PUT',
    headers: { ...AUTHORIZED, ...headers },
    body,
    duplex: 'half',
  } as RequestInit)
const get = (key: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
  fetch(`${server.url}/_tappet/uploads/${key}`, { method, headers: { ...AUTHORIZED, ...headers } })
const post = (path: string, form: FormData): Promise<Response> =>
  fetch(`${server.url}/_tappet/uploads${path}`, { method: 'POST', headers: AUTHORIZED, body: form })
const codeOf = async (response: Response): Promise<string> =>
  ((await response.json()) as { error: { code: string } }).error.code
const stream = (...parts: (Buffer | Promise<Buffer>)[]): RequestInit['body'] =>
  new ReadableStream({
    async pull(controller) {
      const part = parts.shift()
      if (part === undefined) controller.close()
      else controller.enqueue(new Uint8Array(await part))
    },
  })

/** Nothing came of it: no event, no object. */
const nothingStored = async (): Promise<void> => {
  assert.deepEqual(ledger.events, [])
  assert.deepEqual(await readdir(join(folder, 'files')), [])
}

describe('PUT', () => {
  it('stores what curl sends, and makes one event', async () => {
    const file = join(folder, 'pixel.png')
    await writeFile(file, PNG)
    const url = `${server.url}/_tappet/uploads/avatars/7/me.png`
    const { stdout } = await run('curl', ['-sS', '-f', '-T', file, '-H', `Authorization: Bearer ${KEY}`, url])
    await rm(file)
    const receipt = JSON.parse(stdout) as Receipt
    const { file: id, event, runs, ...rest } = receipt
    assert.deepEqual(rest, {
      key: 'avatars/7/me.png',
      size: PNG.length,
      sha256: sha256(PNG),
      contentType: 'image/png',
    })
    assert.match(id, /^file_/)
    assert.match(event ?? '', /^evt_/)
    assert.equal(runs.length, 1)
    assert.deepEqual(ledger.runs, ['avatars/describe'])
    const [made] = ledger.events
    assert.deepEqual(
      { ...made, time: null },
      {
        specversion: '1.0',
        id,
        source: '/upload/avatars/:userId/**',
        type: 'upload.created',
        subject: 'avatars/7/me.png',
        time: null,
        data: {
          id,
          key: 'avatars/7/me.png',
          params: { userId: '7' },
          filename: null,
          size: PNG.length,
          contentType: 'image/png',
          sha256: sha256(PNG),
        },
      },
    )
  })

  it('takes a stream of unknown length', async () => {
    const content = randomBytes(200_000)
    const response = await put('docs/a/b', stream(content.subarray(0, 70_000), content.subarray(70_000)))
    assert.equal(response.status, 201)
    assert.equal(response.headers.get('location'), '/_tappet/uploads/docs/a/b')
    assert.equal(((await response.json()) as Receipt).sha256, sha256(content))
    assert.deepEqual(Buffer.from(await (await get('docs/a/b')).arrayBuffer()), content)
  })

  it('gives a run to each function whose limits the file keeps, each with its own parameters', async () => {
    const response = await put('docs/n', 'tiny')
    assert.equal(((await response.json()) as Receipt).runs.length, 2)
    assert.deepEqual(ledger.runs.toSorted(), ['docs/index', 'docs/preview'])
    assert.deepEqual(
      ledger.events
        .map(({ data }) => data.params)
        .toSorted((a, b) => Object.keys(a).length - Object.keys(b).length),
      [{}, { name: 'n' }],
    )
    await put('docs/n', 'more than ten')
    assert.deepEqual(ledger.runs.slice(2), ['docs/index'])
  })

  it('makes a new version of a key that is known', async () => {
    await put('docs/v', 'one')
    await put('docs/v', 'two')
    assert.equal(await (await get('docs/v')).text(), 'two')
    assert.equal(new Set(ledger.events.map(({ id }) => id)).size, 2)
  })

  it('takes an empty file', async () => {
    assert.equal((await put('docs/empty', new Uint8Array(0))).status, 201)
    assert.equal((await (await get('docs/empty')).arrayBuffer()).byteLength, 0)
  })

  it('takes a file of the largest size and refuses one byte more, announced or not', async () => {
    const most = randomBytes(LIMIT)
    const more = randomBytes(LIMIT + 1)
    assert.equal((await put('docs/x', most)).status, 201)
    assert.equal((await put('docs/x', stream(most))).status, 201)
    const stored = (await readdir(join(folder, 'files'))).length
    for (const body of [more, stream(more)]) {
      const response = await put('docs/x', body)
      assert.equal(response.status, 413)
      assert.equal(await codeOf(response), 'TPT_EVENT_TOO_LARGE')
    }
    assert.equal((await readdir(join(folder, 'files'))).length, stored)
    assert.equal(ledger.events.length, 2)
  })

  it('refuses a type that nobody accepts, whatever the sender calls it', async () => {
    for (const body of ['<html>', '<svg xmlns="http://www.w3.org/2000/svg"/>', 'GIF89a/*<script>*/']) {
      const response = await put('avatars/7/x.png', body, { 'content-type': 'image/png' })
      assert.equal(response.status, 415)
      assert.equal(await codeOf(response), 'TPT_CONTENT_TYPE')
    }
    await nothingStored()
  })

  it('refuses a key that no function wants, and names those that are wanted', async () => {
    const response = await put('other/x', 'x')
    assert.equal(response.status, 404)
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    assert.equal(error.code, 'TPT_ROUTE_NOT_FOUND')
    assert.match(error.message, /`avatars\/:userId\/\*\*`, `docs\/\*\*`/)
    await nothingStored()
  })

  it('refuses names that would lead elsewhere or mislead', async () => {
    const names = [
      '..',
      'docs/%2e%2e/x',
      'docs/%2e%2e%2f%2e%2e%2fetc',
      'docs/a%00',
      'docs/%E2%80%AEgnp.exe',
      'docs/..%5cx',
      'docs/%c0%af',
      'docs//x',
      'docs/%0a',
    ]
    const status = async (path: string): Promise<string> => {
      const head = `PUT /_tappet/uploads/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n`
      return (
        await rawExchange(server.port, [`${head}Content-Length: 1\r\nConnection: close\r\n\r\nx`])
      ).slice(9, 12)
    }
    for (const name of names) assert.match(await status(name), /^(422|400|404)$/, name)
    assert.equal(await status(`docs/a/${'x'.repeat(506)}`), '422')
    await nothingStored()
    assert.equal(await status(`docs/a/${'x'.repeat(505)}`), '201')
    assert.equal(ledger.events.length, 1)
  })

  it('checks a digest that the sender promises', async () => {
    const good = sha256('hello')
    const base64 = Buffer.from(good, 'hex').toString('base64')
    assert.equal((await put('docs/a/d', 'hello', { 'content-sha256': good.toUpperCase() })).status, 201)
    assert.equal(
      (await put('docs/a/d', 'hello', { 'content-digest': `md5=:x:, sha-256=:${base64}:` })).status,
      201,
    )
    assert.equal((await put('docs/a/d', 'hell0', { 'content-sha256': good })).status, 400)
    assert.equal((await put('docs/a/d', 'hell0', { 'content-digest': `sha-256=:${base64}:` })).status, 400)
    assert.equal((await put('docs/a/d', 'hello', { 'content-sha256': 'abc' })).status, 400)
    assert.equal(ledger.events.length, 2)
  })

  it('takes whole files only, as they are', async () => {
    assert.equal((await put('docs/x', 'x', { 'content-range': 'bytes 0-0/2' })).status, 400)
    assert.equal((await put('docs/x', 'x', { 'content-encoding': 'gzip' })).status, 415)
    await nothingStored()
  })

  it('wants a key, on every route', async () => {
    const routes = [
      ['PUT', 'uploads/docs/x'],
      ['GET', 'uploads/docs/x'],
      ['HEAD', 'uploads/docs/x'],
      ['POST', 'uploads'],
      ['POST', 'uploads/docs'],
      ['POST', 'tus'],
      ['PATCH', 'tus/x'],
      ['HEAD', 'tus/x'],
      ['DELETE', 'tus/x'],
      ['OPTIONS', 'tus'],
    ]
    for (const [method = '', path] of routes)
      assert.equal(
        (await fetch(`${server.url}/_tappet/${path}`, { method })).status,
        401,
        `${method} ${path}`,
      )
  })

  it('forgets an upload that breaks off', async () => {
    const socket = connect(server.port, '127.0.0.1')
    socket.write(
      `PUT /_tappet/uploads/docs/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(50_000)}`,
    )
    await eventually(async () => (await readdir(join(folder, 'drafts'))).length > 0, 'the draft')
    socket.destroy()
    await eventually(async () => (await readdir(join(folder, 'drafts'))).length === 0, 'the draft to go')
    await nothingStored()
  })

  it('takes two uploads to one key at once, each whole', async () => {
    const contents = [randomBytes(LIMIT), randomBytes(LIMIT)]
    const responses = await Promise.all(
      contents.map((content) => put('docs/x', stream(content.subarray(0, 1_000), content.subarray(1_000)))),
    )
    const receipts = (await Promise.all(responses.map((response) => response.json()))) as Receipt[]
    assert.deepEqual(
      receipts.map((receipt) => receipt.sha256),
      contents.map(sha256),
    )
    const got = Buffer.from(await (await get('docs/x')).arrayBuffer())
    assert.ok(contents.some((content) => content.equals(got)))
  })

  it('says so when it stops', async () => {
    await server.adapter.stop()
    await server.adapter.stop()
    const response = await put('docs/x', 'x')
    assert.equal(response.status, 503)
    assert.equal(await codeOf(response), 'TPT_SHUTDOWN')
    await nothingStored()
  })
})

describe('a declaration', () => {
  it('that cannot be served is told, and the others are served', () => {
    const problems = server.adapter.problems().map(({ functionId, message }) => `${functionId}: ${message}`)
    assert.equal(problems.length, 2)
    assert.match(
      problems[0] ?? '',
      /^bad\/pattern: upload\(pattern\) must have `\*\*` only as its last segment, got "x/,
    )
    assert.match(
      problems[1] ?? '',
      /^bad\/accept: `accept` has "text\/csv", which cannot be told from content/,
    )
  })

  it('can be replaced while running', async () => {
    await server.adapter.update([subscribe('new', 'new/**')])
    assert.equal((await put('docs/x', 'x')).status, 404)
    assert.equal((await put('new/x', 'x')).status, 201)
    assert.deepEqual(ledger.runs, ['new'])
  })
})

describe('a form', () => {
  const form = (...entries: (readonly [string, string | Blob, string?])[]): FormData => {
    const made = new FormData()
    for (const [name, value, filename] of entries) {
      if (typeof value === 'string') made.append(name, value)
      else made.append(name, value, filename ?? 'blob')
    }
    return made
  }
  const blob = (content: string | Buffer): Blob => new Blob([new Uint8Array(Buffer.from(content))])

  it('stores its files under the prefix, or under the key that is given', async () => {
    const response = await post(
      '/docs',
      form(
        ['f', blob('one'), 'é 1.txt'],
        ['key', 'docs/deep/two'],
        ['f', blob('two'), '../../2.txt'],
        ['f', blob('three'), '3.txt'],
      ),
    )
    assert.equal(response.status, 201)
    const receipts = (await response.json()) as Receipt[]
    assert.deepEqual(
      receipts.map(({ key }) => key),
      ['docs/é 1.txt', 'docs/deep/two', 'docs/3.txt'],
    )
    assert.deepEqual(
      ledger.events.filter(({ source }) => source.endsWith('**')).map(({ data }) => data.filename),
      ['é 1.txt', '2.txt', '3.txt'],
    )
    assert.equal(await (await get('docs/deep/two')).text(), 'two')
    assert.match((await get('docs/deep/two')).headers.get('content-disposition') ?? '', /filename="2.txt"/)
  })

  it('needs no prefix, and no slash at its end', async () => {
    for (const path of ['', '/'])
      assert.equal((await post(path, form(['key', 'docs/x'], ['f', blob('x'), 'x']))).status, 201)
    assert.equal((await post('/docs/a/', form(['f', blob('x'), 'x']))).status, 201)
    assert.equal(ledger.events.at(-1)?.subject, 'docs/a/x')
  })

  it('is refused as a whole when one of its files is', async () => {
    const fine = ['f', blob('fine'), 'fine.txt'] as const
    const refused: readonly (readonly [number, FormData])[] = [
      [413, form(fine, ['f', blob(randomBytes(LIMIT + 1)), 'big'])],
      [415, form(fine, ['key', 'avatars/7/x'], ['f', blob('no image'), 'x.png'])],
      [404, form(fine, ['key', 'other/x'], ['f', blob('x'), 'x'])],
      [422, form(fine, ['key', 'docs/../x'], ['f', blob('x'), 'x'], fine)],
      [400, form(fine, ['key', 'x'.repeat(3_000)], ['f', blob('x'), 'x'])],
      [400, form(['key', 'docs/x'])],
    ]
    for (const [status, body] of refused) assert.equal((await post('/docs', body)).status, status)
    await nothingStored()
  })

  it('takes a file of the largest size', async () => {
    assert.equal((await post('/docs', form(['f', blob(randomBytes(LIMIT)), 'big']))).status, 201)
  })

  it('has at most 100 parts', async () => {
    const files = (count: number): FormData =>
      form(...Array.from({ length: count }, (_, i) => ['f', blob('x'), `f${i}`] as const))
    assert.equal((await post('/docs/n', files(101))).status, 400)
    await nothingStored()
    const response = await post('/docs/n', files(100))
    assert.equal(((await response.json()) as Receipt[]).length, 100)
  })

  it('that is malformed or breaks off is refused', async () => {
    const send = async (contentType: string, body: string): Promise<string> => {
      const head = `POST /_tappet/uploads/docs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nConnection: close\r\n`
      const request = `${head}Content-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      return (await rawExchange(server.port, [request])).slice(9, 12)
    }
    const part = '--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\ndata'
    assert.equal(await send('multipart/form-data', part), '415')
    assert.equal(await send('multipart/form-data; x=y', part), '400')
    assert.equal(await send('text/plain', part), '415')
    assert.equal(await send('multipart/form-data; boundary=b', part), '400')
    assert.equal(await send('multipart/form-data; boundary=b', 'nonsense'), '400')
    assert.equal(
      await send('multipart/form-data; boundary=b', `--b\r\nX: ${'x'.repeat(100_000)}\r\n\r\nx\r\n--b--\r\n`),
      '400',
    )
    assert.equal(
      await send(
        'multipart/form-data; boundary=b',
        '--b\r\nContent-Disposition: form-data; name="f"; filename="__proto__"\r\n\r\nx\r\n--b--\r\n',
      ),
      '201',
    )
    assert.equal(ledger.events.length, 1 + 1)
  })

  it('from which the sender walks away leaves nothing', async () => {
    const socket = connect(server.port, '127.0.0.1')
    const part = '--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
    socket.write(
      `POST /_tappet/uploads/docs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 90000\r\n\r\n${part}${'x'.repeat(50_000)}`,
    )
    await eventually(async () => (await readdir(join(folder, 'drafts'))).length > 0, 'the draft')
    socket.destroy()
    await eventually(async () => (await readdir(join(folder, 'drafts'))).length === 0, 'the draft to go')
    await nothingStored()
  })
})

describe('a download', () => {
  const CONTENT = '0123456789'

  it('can do no harm where it is opened', async () => {
    await put('docs/page é.html', '<html><script>alert(1)</script>')
    const response = await get('docs/page%20%C3%A9.html')
    assert.equal(response.headers.get('content-type'), 'text/html')
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
    assert.equal(response.headers.get('content-security-policy'), "default-src 'none'; sandbox")
    assert.equal(
      response.headers.get('content-disposition'),
      `attachment; filename="page _.html"; filename*=UTF-8''page%20%C3%A9.html`,
    )
  })

  it('gives ranges', async () => {
    await put('docs/r', CONTENT)
    const part = async (range: string, more: Record<string, string> = {}): Promise<readonly unknown[]> => {
      const response = await get('docs/r', { range, ...more })
      return [response.status, response.headers.get('content-range'), await response.text()]
    }
    assert.deepEqual(await part('bytes=2-4'), [206, 'bytes 2-4/10', '234'])
    assert.deepEqual(await part('bytes=-3'), [206, 'bytes 7-9/10', '789'])
    assert.deepEqual(await part('bytes=8-100'), [206, 'bytes 8-9/10', '89'])
    assert.deepEqual(await part('bytes=10-'), [416, 'bytes */10', ''])
    assert.deepEqual(await part('bytes=0-1,3-4'), [200, null, CONTENT])
    assert.deepEqual(await part('bytes=2-4', { 'if-range': `"${sha256(CONTENT)}"` }), [
      206,
      'bytes 2-4/10',
      '234',
    ])
    assert.deepEqual(await part('bytes=2-4', { 'if-range': '"old"' }), [200, null, CONTENT])
  })

  it('is known by its sha256', async () => {
    await put('docs/r', CONTENT)
    const etag = `"${sha256(CONTENT)}"`
    const head = await get('docs/r', {}, 'HEAD')
    assert.equal(head.status, 200)
    assert.equal(head.headers.get('etag'), etag)
    assert.equal(head.headers.get('content-length'), '10')
    assert.equal((await get('docs/r', { 'if-none-match': `"x", W/${etag}` })).status, 304)
    assert.equal((await get('docs/r', { 'if-none-match': '"x"' })).status, 200)
  })

  it('of what is not there is 404', async () => {
    const response = await get('docs/none')
    assert.equal(response.status, 404)
    assert.equal(await codeOf(response), 'TPT_NOT_FOUND')
    assert.equal((await get('docs/none', {}, 'HEAD')).status, 404)
  })

  it('is there for functions too', async () => {
    const content = randomBytes(250_000)
    await put('docs/caf\u00e9', content)
    const file = await server.adapter.file('docs/caf\u0065\u0301')
    assert.equal(file?.size, 250_000)
    assert.deepEqual(await server.adapter.read(file?.id ?? '', 100, 200_000), content.subarray(100, 200_000))
    assert.equal(await server.adapter.file('docs/none'), null)
    await assert.rejects(server.adapter.read('../x', 0, 1), { code: 'TPT_NOT_FOUND' })
  })
})
