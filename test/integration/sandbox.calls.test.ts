import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Catalog } from '../../src/runtime/catalog.ts'
import type { LoadedFunction } from '../../src/runtime/runtime.ts'
import { sandboxProblem } from '../../src/runtime/sandbox/bubblewrap.ts'
import { CALLS, CLONE3 } from '../../src/runtime/sandbox/seccomp-calls.ts'
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

const calls = CALLS[process.arch]
const skip = (await sandboxProblem()) ?? (calls ? false : `there is no filter for ${process.arch}`)
const script = readFileSync(fileURLToPath(new URL('../support/system-calls.py', import.meta.url)), 'utf8')

/** A Python and the folder of its library, which is in the sandbox already when it is the system's; null for none. */
function findPython(): { readonly path: string; readonly reads: readonly string[] } | null {
  const print = 'import os, sys; print(os.path.realpath(sys.executable)); print(sys.base_prefix)'
  try {
    const [path = '', prefix = ''] = execFileSync('python3', ['-c', print]).toString().trim().split('\n')
    return { path, reads: prefix === '/usr' ? [path] : [path, prefix] }
  } catch {
    return null
  }
}

describe('system calls in a sandbox', { skip }, () => {
  let project: Project
  let catalog: Catalog
  let harness: ProcessHarness
  let server: Server

  before(async () => {
    project = await makeProject({
      ...filesOf('./runtime-calls.ts', ['plain']),
      ...filesOf('./runtime-calls-confined.ts', ['alone', 'linked']),
    })
    catalog = await project.load({ PATH: process.env.PATH ?? '' })
    harness = startProcesses(project.root)
    server = createServer((_request, response) => void response.end('hello')).listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(async () => {
    server.close()
    await harness.close()
    await project.remove()
  })

  const result = async (
    id: string,
    how: string,
    on: readonly string[] = [],
    more: Partial<LoadedFunction> = {},
  ): Promise<unknown> => {
    const fn = { ...find(catalog, id), ...more }
    const settled = await harness.runtime.run(fn, makeInvocation({ how, on }), never)
    assert.ok(settled.ok, `${how}: ${JSON.stringify(settled)}`)
    return settled.result
  }

  const python = findPython()
  test(
    'are refused where they reach for the kernel or for others',
    { skip: python === null && 'there is no Python' },
    async () => {
      const { refused = {}, clone, socket, ioctl } = calls ?? {}
      const numbers = JSON.stringify({ ...refused, clone, socket, ioctl, clone3: CLONE3 })
      const { path, reads } = python ?? { path: '', reads: [] }
      const args = ['-c', script, numbers]
      const said = await result('alone', 'run', [path, ...args], { reads, version: 'python' })
      const found = JSON.parse(String(said)) as Record<string, number>
      const { x32 = -31, ...rest } = found
      const expected: Record<string, number> = { clone3: 38, vsock: 97, 'a pipe': 0 }
      assert.deepEqual(rest, Object.fromEntries(Object.keys(rest).map((name) => [name, expected[name] ?? 1])))
      assert.equal(x32, -31, 'SIGSYS')
      // Elsewhere they are not: what refuses them is the filter, not that they are wrong.
      const outside = JSON.parse(execFileSync(path, args).toString()) as Record<string, number>
      for (const name of ['ptrace', 'process_vm_readv', 'unshare']) assert.notEqual(outside[name], 1, name)
    },
  )

  for (const id of ['plain', 'alone', 'linked']) {
    test(`go on where functions need them: ${id}`, async () => {
      assert.deepEqual(await result(id, 'threads'), [7, 7, 7, 7])
      assert.equal(await result(id, 'children'), '42')
      assert.deepEqual(await result(id, 'wasm'), [42, 801 * 65_536])
      assert.equal(await result(id, 'crypto'), 64)
      assert.equal(await result(id, 'watch'), 'changed')
      assert.ok(((await result(id, 'interfaces')) as string[]).length <= 32)
    })
  }

  test('go on for the network, where it may be used', async () => {
    const { port } = server.address() as AddressInfo
    assert.equal(await result('linked', 'fetch', [`http://127.0.0.1:${port}/`]), 'hello')
    assert.match(String(await result('linked', 'lookup', ['localhost'])), /^(127\.0\.0\.1|::1)$/)
  })

  const folder = fileURLToPath(new URL('../../node_modules/@msgpackr-extract', import.meta.url))
  const native = `${folder}/msgpackr-extract-${process.platform}-${process.arch}/node.napi.glibc.node`
  test('go on for native modules', { skip: !existsSync(native) && `there is no ${native}` }, async () => {
    assert.equal(await result('plain', 'native', [native]), true)
    assert.equal(await result('alone', 'native', [native], { reads: [folder], version: 'native' }), true)
  })
})
