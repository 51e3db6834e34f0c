import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { TappetError } from '../../src/errors.ts'
import type { Catalog } from '../../src/runtime/catalog.ts'
import type { Settled } from '../../src/runtime/runtime.ts'
import { sandboxProblem } from '../../src/runtime/sandbox/bubblewrap.ts'
import { eventually } from '../support/eventually.ts'
import {
  filesOf,
  find,
  makeInvocation,
  makeProject,
  never,
  type ProcessHarness,
  type Project,
  startProcesses,
} from '../support/runtime.ts'

const skip = (await sandboxProblem()) ?? false
const SECRET = 'DATABASE_URL=postgres://secret'

describe('functions in a sandbox', { skip }, () => {
  let project: Project
  let catalog: Catalog
  let harness: ProcessHarness
  let server: Server

  before(async () => {
    project = await makeProject(filesOf('./runtime-sandbox.ts', ['confined', 'online', 'asks', 'database']))
    catalog = await project.load({ PATH: process.env.PATH ?? '' })
    await writeFile(join(project.root, '.tappet/admin.key'), 'tpk_secret')
    await writeFile(join(project.root, '.env'), SECRET)
    server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(async () => {
    server.close()
    await project.remove()
  })
  beforeEach(() => {
    harness = startProcesses(project.root)
  })
  afterEach(() => harness.close())

  const run = (how: string, on = '', id = 'confined', signal = never): Promise<Settled> =>
    harness.runtime.run(find(catalog, id), makeInvocation({ how, on }), signal)
  const result = async (...wish: Parameters<typeof run>): Promise<unknown> => {
    const settled = await run(...wish)
    assert.ok(settled.ok, JSON.stringify(settled))
    return settled.result
  }
  const refused = async (pattern: RegExp, ...wish: Parameters<typeof run>): Promise<void> => {
    const settled = await run(...wish)
    assert.ok(!settled.ok && !settled.lost, JSON.stringify(settled))
    assert.match(`${settled.failure.code} ${settled.failure.message}`, pattern)
  }

  test('were asked in one what they declare', () => {
    assert.deepEqual(catalog.problems, [])
    const found = catalog.functions.map(({ id, isolation, network, reads }) => [
      id,
      isolation,
      network,
      reads,
    ])
    assert.deepEqual(found, [
      ['asks', 'sandbox', false, []],
      ['confined', 'sandbox', false, []],
      ['database', 'sandbox', false, []],
      ['online', 'sandbox', true, []],
    ])
  })

  test('read no file of the machine, of the project or of ours', async () => {
    const ours = fileURLToPath(new URL('../../package.json', import.meta.url))
    const bundle = find(catalog, 'confined').bundle
    const here = [join(project.root, '.tappet/admin.key'), join(project.root, '.env'), bundle]
    for (const path of ['/etc/passwd', '/etc/hosts', homedir(), ours, ...here]) {
      assert.deepEqual(
        [path, (await run('stat', path)).ok],
        [path, path === homedir() && homedir() === '/tmp'],
      )
    }
    await refused(/ENOENT/, 'read', '/etc/passwd')
    await refused(/ENOENT/, 'read', join(project.root, '.tappet/admin.key'))
    assert.deepEqual(await result('list', project.root), [])
  })

  test('write to a /tmp of their own, up to its size, and nowhere else', async () => {
    const marker = join('/tmp', `tappet-sandbox-${process.pid}`)
    assert.equal(await result('write', marker), 'written')
    await assert.rejects(readFile(marker), /ENOENT/)
    await refused(/ENOSPC/, 'fill', '/tmp/large')
    for (const path of ['/x', '/dev/x', '/dev/shm/x', '/usr/lib/x'])
      await refused(/EROFS|EACCES|EPERM/, 'write', path)
    // Where the project itself is in /tmp, this is another one.
    await run('write', join(project.root, 'x'))
    await assert.rejects(readFile(join(project.root, 'x')), /ENOENT/)
    // Opened only: were it possible, the machine would be changed.
    for (const path of [process.execPath, '/proc/sys/kernel/core_pattern', '/proc/sys/vm/overcommit_memory'])
      await refused(/EROFS|EACCES|ETXTBSY/, 'open to write', path)
  })

  test('reach nobody, unless they may use the network', async () => {
    const { port } = server.address() as AddressInfo
    await refused(/ECONNREFUSED/, 'connect', String(port))
    assert.equal(await result('connect', String(port), 'online'), 'connected')
    await refused(/ENOENT/, 'read', '/etc/passwd', 'online')
  })

  test('know no process but their own, and end none of ours', async () => {
    const pids = (await result('list', '/proc')) as readonly string[]
    assert.ok(pids.filter((name) => /^\d+$/.test(name)).length <= 3, pids.join())
    await refused(/ESRCH/, 'kill', String(process.pid))
    assert.equal(await result('kill its parent'), 'goes on')
    assert.match(String(await result('capabilities')), /^0+$/)
    await refused(/ENOENT/, 'run', '/bin/sh')
  })

  test('have no environment but their own', async () => {
    process.env.TAPPET_SANDBOX_SECRET = 'x'
    const found = await result('environment').finally(() => delete process.env.TAPPET_SANDBOX_SECRET)
    assert.deepEqual(Object.keys(found as object).toSorted(), ['HOME', 'PWD', 'TMPDIR'])
    await refused(/TPT_CONFIG_INVALID .*network: true/, '', '', 'database')
  })

  test('send, log and read stored files', async () => {
    assert.equal(await result('', '', 'asks'), 1_000_000)
    assert.deepEqual(
      harness.host.sent.map(({ queue, data, key }) => [queue, data, key]),
      [['mails', { to: 'ada' }, 'k1']],
    )
    assert.deepEqual(
      harness.logs.map(({ message }) => message),
      ['by the log', 'by the console'],
    )
  })

  for (const how of ['spin', 'wait']) {
    test(`are killed a second after their deadline: ${how}`, async () => {
      const controller = new AbortController()
      const running = run(how, '', 'confined', controller.signal)
      await result('capabilities', '', 'online')
      controller.abort(new TappetError('TPT_TIMEOUT', 'took too long'))
      const settled = await running
      assert.equal(!settled.ok && settled.failure.code, 'TPT_TIMEOUT')
    })
  }

  test('end as others do', async () => {
    await refused(/TPT_FUNCTION_CRASHED .*died of SIGSEGV/, 'segfault')
    await refused(/TPT_FUNCTION_CRASHED .*exited with code 7/, 'exit')
  })

  test('may not take more than their memory', async () => {
    const fn = { ...find(catalog, 'confined'), memoryMb: 64 }
    const settled = await harness.runtime.run(fn, makeInvocation({ how: 'buffers', on: '' }), never)
    assert.match(JSON.stringify(settled), /TPT_OUT_OF_MEMORY|allocation failed/)
  })

  test('may not start more processes than they may, and take all with them', async () => {
    const marker = `tappet-bomb-${process.pid}`
    const other = run('wait')
    const fn = { ...find(catalog, 'confined'), version: 'bomb', maxProcesses: 8 }
    const invocation = makeInvocation({ how: 'start processes', on: marker })
    const settled = await harness.runtime.run(fn, invocation, AbortSignal.timeout(20_000))
    assert.equal(!settled.ok && settled.failure.code, 'TPT_TOO_MANY_PROCESSES', JSON.stringify(settled))
    await eventually(async () => (await commands(marker)).length === 0, 'all to be gone')
    await result('capabilities', '', 'online')
    await harness.close()
    assert.equal((await other).ok, false)
  })

  test('leave no process behind, not even one with a session of its own', async () => {
    const marker = `tappet-left-${process.pid}`
    assert.equal(await result('leave processes', marker), 'left')
    assert.equal((await commands(marker)).length, 5)
    await harness.close()
    await eventually(async () => (await commands(marker)).length === 0, 'all to be gone')
  })

  test('start on spares of their own kind', async () => {
    await harness.close()
    harness = startProcesses(project.root, { spares: 1 })
    harness.runtime.retain(catalog.functions)
    for (const id of ['confined', 'online']) {
      let version = 0
      await eventually(async () => {
        const askedMs = Date.now()
        const fn = { ...find(catalog, id), version: `v${version++}` }
        const settled = await harness.runtime.run(fn, makeInvocation({ how: 'born', on: '' }), never)
        return settled.ok && Number(settled.result) < askedMs
      }, 'one that was there before it was asked for')
    }
  })
})

async function commands(marker: string): Promise<readonly string[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(
    names.map((name) => readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')),
  )
  return lines.filter((line) => line.includes(marker))
}
