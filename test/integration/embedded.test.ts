import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { keepEmbeddedPostgres } from '../../src/embedded/keep.ts'
import { startEmbeddedPostgres } from '../../src/embedded/postgres.ts'
import { holdPort, openFolder, processesIn, query, startChild, started } from '../support/embedded.ts'
import { eventually } from '../support/eventually.ts'
import { recordingLogger } from '../support/recording-logger.ts'

// One cluster goes through all of its life, test by test: rows of `kept` must never be lost on the way.
let parent: Awaited<ReturnType<typeof openFolder>>
let folder: string
let port: number
before(async () => {
  parent = await openFolder()
  folder = join(parent.path, 'pg')
})
after(() => parent[Symbol.asyncDispose]())

test('the first start creates a cluster and keeps its password to us', async () => {
  const messages: string[] = []
  await using postgres = await started({ folder, onProgress: (message) => messages.push(message) })
  assert.equal(postgres.origin, 'created')
  assert.match(postgres.version, /^18\.\d+$/)
  assert.match(
    postgres.url,
    new RegExp(`^postgres://postgres:[\\w-]{32}@127\\.0\\.0\\.1:${postgres.port}/tappet$`),
  )
  assert.deepEqual(messages, [`creating a database in ${folder} (first start)`])
  assert.equal((await stat(join(folder, 'data/tappet-password'))).mode & 0o777, 0o600)
  assert.equal((await stat(folder)).mode & 0o777, 0o700)
  await query(postgres.url, 'create table kept (n int); insert into kept values (1)')
  const stranger = new URL(postgres.url)
  stranger.password = 'guessed'
  await assert.rejects(query(stranger.href, 'select 1'), { code: '28P01' })
  port = postgres.port
})

test('the next start finds data and port again', async () => {
  await using postgres = await started({ folder })
  assert.equal(postgres.origin, 'started')
  assert.equal(postgres.port, port)
  assert.deepEqual(await kept(postgres.url), [1])
})

test('it is durable and local; settings from outside go on top, except where it listens', async () => {
  const expected = {
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    data_checksums: 'on',
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    wal_level: 'logical',
    max_connections: '200',
    shared_buffers: '128MB',
    autovacuum_naptime: '10s',
    jit: 'off',
    server_encoding: 'UTF8',
    lc_messages: 'C',
    work_mem: '5MB',
  }
  const columns = Object.keys(expected).map((name) => `current_setting('${name}') as ${name}`)
  await using postgres = await started({ folder, settings: { work_mem: '5MB', listen_addresses: '*' } })
  assert.deepEqual(await query(postgres.url, `select ${columns.join(', ')}`), [expected])
})

test('stop leaves no process, and can be called again', async () => {
  const postgres = await startEmbeddedPostgres({ folder })
  assert.notDeepEqual(await processesIn(folder), [])
  await Promise.all([postgres.stop(), postgres.stop()])
  assert.deepEqual(await processesIn(folder), [])
  await assert.rejects(query(postgres.url, 'select 1'), { code: 'ECONNREFUSED' })
  await postgres.stop()
})

test('when the port of last time is taken it finds another', async () => {
  const holder = await holdPort(port)
  await using postgres = await started({ folder })
  await holder[Symbol.asyncDispose]()
  assert.notEqual(postgres.port, port)
  assert.deepEqual(await kept(postgres.url), [1])
})

test('a wanted port is used, or refused when it is taken', async () => {
  const holder = await holdPort(0)
  const taken = startEmbeddedPostgres({ folder, port: holder.port })
  await assert.rejects(taken, { code: 'TPT_PORT_TAKEN', message: new RegExp(`${holder.port} on 127`) })
  await holder[Symbol.asyncDispose]()
  await using postgres = await started({ folder, port: holder.port })
  assert.equal(postgres.port, holder.port)
})

test('Ctrl-C reaches us and not the server, until we stop it', async () => {
  const child = startChild(folder, { detached: true })
  await child.told
  assert.ok(child.process.pid)
  process.kill(-child.process.pid, 'SIGINT')
  assert.deepEqual(await child.ended, { last: 'still here', code: 0 })
  assert.deepEqual(await processesIn(folder), [])
})

test('after kill -9 of our process the server is adopted', async () => {
  const child = startChild(folder)
  const { url } = await child.told
  await query(url, 'insert into kept values (2)')
  child.process.kill('SIGKILL')
  await child.ended
  await using postgres = await started({ folder })
  assert.equal(postgres.origin, 'adopted')
  assert.equal(postgres.url, url)
  assert.deepEqual(await kept(url), [1, 2])
})

test('after kill -9 a server on another port than wanted is started anew', async () => {
  const child = startChild(folder)
  const { port: old } = await child.told
  child.process.kill('SIGKILL')
  await child.ended
  const holder = await holdPort(0)
  await holder[Symbol.asyncDispose]()
  await using postgres = await started({ folder, port: holder.port })
  assert.equal(postgres.origin, 'started')
  assert.equal(postgres.port, holder.port)
  assert.notEqual(postgres.port, old)
  assert.deepEqual(await kept(postgres.url), [1, 2])
})

test('after kill -9 a folder that is moved meanwhile is started anew', async () => {
  const child = startChild(folder)
  await child.told
  child.process.kill('SIGKILL')
  await child.ended
  const moved = `${folder}-moved`
  await rename(folder, moved)
  folder = moved
  await using postgres = await started({ folder })
  assert.equal(postgres.origin, 'started')
  assert.deepEqual(await kept(postgres.url), [1, 2])
})

test('after kill -9 of the server itself it recovers', async () => {
  const crashed = await startEmbeddedPostgres({ folder })
  await query(crashed.url, 'insert into kept values (3)')
  process.kill(parseInt(await readFile(join(folder, 'data/postmaster.pid'), 'utf8')), 'SIGKILL')
  await using postgres = await started({ folder })
  assert.equal(postgres.origin, 'started')
  assert.deepEqual(await kept(postgres.url), [1, 2, 3])
})

test('while it is kept it comes back by itself after kill -9, at the same address, until it is stopped', async () => {
  const { logger, lines } = recordingLogger()
  const postgres = await keepEmbeddedPostgres({ folder }, logger)
  try {
    process.kill(parseInt(await readFile(join(folder, 'data/postmaster.pid'), 'utf8')), 'SIGKILL')
    assert.deepEqual(await eventually(() => kept(postgres.url), 'it to answer again'), [1, 2, 3])
    await eventually(() => lines.length === 2, 'the log to tell')
    assert.match(lines.join('; '), /has ended; .* runs again/)
  } finally {
    await postgres.stop()
  }
  assert.equal(await postgres.isThere(), false)
  assert.deepEqual(await processesIn(folder), [])
})

const stale = {
  'of a process that is gone': () => `${spawnSync('true').pid}`,
  'of a process that is not Postgres': () => `${process.pid}`,
  'that is empty': () => '',
  'that is nonsense': () => 'nonsense',
}
for (const [name, pid] of Object.entries(stale)) {
  test(`a postmaster.pid ${name} is no obstacle`, async () => {
    const text = pid() && `${pid()}\n${folder}/data\n1795455443\n5432\n\n127.0.0.1\n  1 2\nready   \n`
    await writeFile(join(folder, 'data/postmaster.pid'), text)
    await using postgres = await started({ folder })
    assert.equal(postgres.origin, 'started')
    assert.deepEqual(await kept(postgres.url), [1, 2, 3])
  })
}

test('a database that was not made yet, because of a kill after initdb, is made', async () => {
  const first = await startEmbeddedPostgres({ folder })
  await query(first.url.replace(/tappet$/, 'postgres'), 'drop database tappet')
  await first.stop()
  await using postgres = await started({ folder })
  assert.deepEqual(await query(postgres.url, 'select current_database() as name'), [{ name: 'tappet' }])
})

test('a start that fails says what the server said, and leaves nothing running', async () => {
  const wrong = startEmbeddedPostgres({ folder, settings: { shared_buffers: 'plenty' } })
  await assert.rejects(wrong, {
    code: 'TPT_POSTGRES_EMBEDDED',
    message: /invalid value.*"shared_buffers": "plenty"/s,
  })
  assert.deepEqual(await processesIn(folder), [])
})

test('data of another major version is refused and left alone', async () => {
  await writeFile(join(folder, 'data/PG_VERSION'), '17\n')
  const old = startEmbeddedPostgres({ folder })
  await assert.rejects(old, {
    code: 'TPT_POSTGRES_EMBEDDED',
    message: /Postgres 17, the embedded one is 18\.\d+/,
  })
  assert.ok(await stat(join(folder, 'data/base')))
})

async function kept(url: string): Promise<number[]> {
  return (await query(url, 'select n from kept order by n')).map((row) => (row as { n: number }).n)
}
