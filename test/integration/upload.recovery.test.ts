import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Pool } from 'pg'
import { TappetError } from '../../src/errors.ts'
import { newId } from '../../src/lib/id.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPostgresFiles } from '../../src/store/postgres/files.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createDiskStorage } from '../../src/triggers/upload/disk-storage.ts'
import { createMemoryFiles } from '../../src/triggers/upload/memory-files.ts'
import { createMemoryStorage } from '../../src/triggers/upload/memory-storage.ts'
import { eventually } from '../support/eventually.ts'
import { testDatabase } from '../support/services.ts'
import { mountTmpfs, noTmpfs } from '../support/tmpfs.ts'
import { AUTHORIZED, createLedger, startUploadServer, subscribe } from '../support/upload-server.ts'

const CHILD = fileURLToPath(new URL('../support/upload-child.ts', import.meta.url))
const SUBSCRIPTIONS = [subscribe('docs/index', 'docs/**')]

const put = (url: string, key: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> =>
  fetch(`${url}/_tappet/uploads/${key}`, { method: 'PUT', headers: AUTHORIZED, body })

describe('an upload that is cut short', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let pool: Pool
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tappet-recovery-'))
    database = await testDatabase()
    pool = createPool({ url: database.url, logger: silentLogger })
    const client = await pool.connect()
    await migrate(client, 'ledger').finally(() => client.release())
  })
  after(async () => {
    await pool.end()
    await database.drop()
    await rm(folder, { recursive: true, force: true })
  })

  /** Uploads to a process that hangs at a step, kills it there, and answers what it had written. */
  async function killAt(where: 'insert' | 'emit' | 'mark', home: string): Promise<string> {
    const child: ChildProcess = spawn(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), CHILD, home, database.url, where],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const gone = new Promise((resolve) => child.once('close', resolve))
    let output = ''
    child.stdout?.on('data', (text: Buffer) => (output += text.toString()))
    const read = (pattern: RegExp, what: string): Promise<RegExpExecArray> =>
      eventually(() => pattern.exec(output), what, 30_000)
    const [, port] = await read(/listens on (\d+)/, 'the child to listen')
    const sent = put(`http://127.0.0.1:${port}`, `docs/${where}`, 'content')
    sent.catch(() => undefined)
    await read(/hangs at/, `the child to reach ${where}`)
    child.kill('SIGKILL')
    await gone
    await assert.rejects(sent, 'nothing was acknowledged')
    return output
  }

  for (const where of ['insert', 'emit', 'mark'] as const) {
    it(`G1: is announced at the next start after kill -9 before ${where}`, { timeout: 60_000 }, async () => {
      const home = join(folder, where)
      const output = await killAt(where, home)
      const [id] = (await readdir(join(home, 'files'))).filter((name) => !name.endsWith('.json'))
      if (where === 'mark') assert.match(output, new RegExp(`emitted ${id}`))
      const ledger = createLedger()
      const files = createPostgresFiles(pool)
      const storage = await createDiskStorage(home)
      const server = await startUploadServer({
        storage,
        files,
        emit: ledger.emit,
        subscriptions: SUBSCRIPTIONS,
      })
      await eventually(
        async () => (await files.byKey(`docs/${where}`))?.announcedAt,
        'the file to be announced',
      )
      assert.deepEqual(
        ledger.events.map((event) => [event.id, event.subject, event.data.size]),
        [[id, `docs/${where}`, 7]],
      )
      assert.deepEqual(await readdir(join(home, 'drafts')), [])
      const response = await fetch(`${server.url}/_tappet/uploads/docs/${where}`, { headers: AUTHORIZED })
      assert.equal(await response.text(), 'content')
      await server.close()
      // And it is announced once only, however often we start.
      const again = await startUploadServer({
        storage,
        files,
        emit: ledger.emit,
        subscriptions: SUBSCRIPTIONS,
      })
      await put(again.url, 'docs/later', 'x')
      await again.close()
      assert.deepEqual(
        ledger.events.map(({ subject }) => subject),
        [`docs/${where}`, 'docs/later'],
      )
    })
  }
})

describe('an upload whose event cannot be stored', () => {
  it('G1: is refused with 503, kept, and announced with the same id later', async () => {
    const storage = createMemoryStorage()
    const files = createMemoryFiles()
    let away = true
    const ledger = createLedger(async () => {
      if (away) throw new TappetError('TPT_UNAVAILABLE', 'Postgres is away.')
    })
    const options = { storage, files, emit: ledger.emit, subscriptions: SUBSCRIPTIONS }
    const server = await startUploadServer(options)
    const response = await put(server.url, 'docs/x', 'content')
    assert.equal(response.status, 503)
    assert.equal(response.headers.get('retry-after'), '1')
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    assert.equal(error.code, 'TPT_UNAVAILABLE')
    const [, id] = /stored as (file_\w+) and its event follows by itself/.exec(error.message) ?? []
    assert.ok(id)
    assert.equal(ledger.events.length, 0)
    away = false
    await eventually(() => ledger.events.length > 0, 'the event', 30_000)
    assert.deepEqual(
      ledger.events.map((event) => event.id),
      [id],
    )
    await server.close()
  })

  it('is adopted later even if its row could not be written', async () => {
    const storage = createMemoryStorage()
    const known = createMemoryFiles()
    let away = true
    const files = {
      ...known,
      insert: async (...args: Parameters<typeof known.insert>) => {
        if (away) throw new TappetError('TPT_UNAVAILABLE', 'Postgres is away.')
        return known.insert(...args)
      },
    }
    const ledger = createLedger()
    const server = await startUploadServer({
      storage,
      files,
      emit: ledger.emit,
      subscriptions: SUBSCRIPTIONS,
    })
    assert.equal((await put(server.url, 'docs/x', 'content')).status, 503)
    away = false
    await eventually(() => ledger.events.length > 0, 'the event', 30_000)
    assert.deepEqual(
      ledger.events.map(({ subject }) => subject),
      ['docs/x'],
    )
    await server.close()
  })

  it('is waited for when the process stops', async () => {
    let letGo = (): void => undefined
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    let asked = false
    const ledger = createLedger(async () => {
      asked = true
      await held
    })
    const storage = createMemoryStorage()
    const server = await startUploadServer({
      storage,
      files: createMemoryFiles(),
      emit: ledger.emit,
      subscriptions: SUBSCRIPTIONS,
    })
    const sent = put(server.url, 'docs/x', 'content')
    await eventually(() => asked, 'the emit')
    let stopped = false
    const stopping = server.adapter.stop().then(() => {
      stopped = true
    })
    assert.equal((await put(server.url, 'docs/y', 'x')).status, 503)
    assert.equal(stopped, false)
    letGo()
    await stopping
    assert.equal((await sent).status, 201)
    await server.close()
  })
})

describe('an upload that nobody continues', () => {
  it('is removed once it is a day old, or five minutes if nobody can, and not before', async () => {
    let now = Date.now() - 24 * 3_600_000 - 1_000
    const storage = createMemoryStorage(() => new Date(now))
    const info = { key: 'docs/x', filename: null, length: 10, metadata: { key: 'docs/x' } }
    const once = { ...info, metadata: null }
    const old = await storage.create(newId('file'), info)
    now += 60_000
    const young = await storage.create(newId('file'), info)
    now = Date.now() - 6 * 60_000
    const broken = await storage.create(newId('file'), once)
    now += 2 * 60_000
    const coming = await storage.create(newId('file'), once)
    now = Date.now()
    const { emit } = createLedger()
    const server = await startUploadServer({
      storage,
      files: createMemoryFiles(),
      emit,
      subscriptions: SUBSCRIPTIONS,
    })
    await eventually(async () => (await storage.open(old.id)) === null, 'the old draft to go')
    await eventually(async () => (await storage.open(broken.id)) === null, 'that of a broken request to go')
    assert.notEqual(await storage.open(young.id), null)
    assert.notEqual(await storage.open(coming.id), null)
    await server.close()
  })
})

describe('a full disk', () => {
  it('G1, G9: is 507 for every kind of upload, leaves nothing, and later uploads pass', async (t) => {
    const disk = await mountTmpfs('1m')
    if (!disk) return t.skip(noTmpfs)
    const ledger = createLedger()
    const storage = await createDiskStorage(disk.path)
    const server = await startUploadServer({
      storage,
      files: createMemoryFiles(),
      emit: ledger.emit,
      subscriptions: SUBSCRIPTIONS,
    })
    try {
      const big = new Uint8Array(2_000_000)
      assert.equal((await put(server.url, 'docs/big', big)).status, 507)
      const form = new FormData()
      form.append('file', new Blob([big]), 'big')
      const posted = await fetch(`${server.url}/_tappet/uploads/docs`, {
        method: 'POST',
        headers: AUTHORIZED,
        body: form,
      })
      assert.equal(posted.status, 507)
      const tus = await fetch(`${server.url}/_tappet/tus`, {
        method: 'POST',
        headers: {
          ...AUTHORIZED,
          'tus-resumable': '1.0.0',
          'upload-length': String(big.length),
          'upload-metadata': `key ${Buffer.from('docs/big').toString('base64')}`,
          'content-type': 'application/offset+octet-stream',
        },
        body: big,
      })
      assert.equal(tus.status, 507)
      assert.match(await tus.text(), /TPT_STORAGE_FULL/)
      assert.deepEqual(await readdir(join(disk.path, 'drafts')), [])
      assert.deepEqual(await readdir(join(disk.path, 'files')), [])
      assert.equal(ledger.events.length, 0)
      assert.equal((await put(server.url, 'docs/small', 'x')).status, 201)
    } finally {
      await server.close()
      await disk.unmount()
    }
  })
})
