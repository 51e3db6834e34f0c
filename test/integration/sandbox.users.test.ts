import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chown, readdir } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { findCommand } from '../../src/runtime/own-programs.ts'
import type { Settled } from '../../src/runtime/runtime.ts'
import { sandboxProblem } from '../../src/runtime/sandbox/bubblewrap.ts'
import { filesOf, makeProject, type Project } from '../support/runtime.ts'

const NOBODY = 65_534
const AS_NOBODY = [
  'setpriv',
  `--reuid=${NOBODY}`,
  `--regid=${NOBODY}`,
  '--clear-groups',
  '--no-new-privs',
  '--',
]
/** In a user namespace that admits no others: where user namespaces are off, for those who are in it. */
const WITHOUT_NAMESPACES = [
  ...['unshare', '--user', '--map-root-user', 'sh', '-c'],
  ...['echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', 'sh'],
]

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const child = path('../support/unprivileged-child.mjs')
const program = path('../../dist/bin/tappet.js')

async function reasonToSkip(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'only root can become another user'
  if (!existsSync(program)) return 'there is no dist'
  const setpriv = await findCommand('setpriv', [...AS_NOBODY.slice(1), process.execPath, child, '--version'])
  const reads = await run([...AS_NOBODY, process.execPath, '-e', `require('fs').readFileSync('${child}')`])
  if (setpriv === null && reads.code !== 0) return 'nobody may not read this folder, or there is no setpriv'
  return (await sandboxProblem()) ?? false
}

interface Ended {
  readonly code: number
  readonly stdout: string
}

async function run(command: readonly string[], env: Record<string, string> = {}, cwd = '/'): Promise<Ended> {
  const [file = '', ...args] = command
  const options = { cwd, env: { PATH: process.env.PATH ?? '', ...env }, timeout: 60_000 }
  try {
    return { code: 0, stdout: (await promisify(execFile)(file, args, options)).stdout }
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string }
    return { code: typeof code === 'number' ? code : -1, stdout: stdout || stderr }
  }
}

interface Said {
  readonly uid: number
  readonly problem: string | null
  readonly problems: readonly { readonly code: string; readonly message: string }[]
  readonly settled: readonly (Settled | null)[]
}

const skip = await reasonToSkip()

describe('sandboxes of an unprivileged user', { skip }, () => {
  let project: Project

  before(async () => {
    project = await makeProject(filesOf('./runtime-sandbox.ts', ['confined']))
    const all = (await readdir(project.root, { recursive: true })).map((name) => join(project.root, name))
    for (const one of [project.root, ...all]) await chown(one, NOBODY, NOBODY)
  })
  after(() => project.remove())

  const ask = async (prefix: readonly string[], wishes: readonly object[]): Promise<Said> => {
    const { stdout } = await run([...prefix, process.execPath, child, project.root, JSON.stringify(wishes)])
    return JSON.parse(stdout) as Said
  }

  test('hold what those of root hold, and the kernel counts their processes', async () => {
    const { uid, problem, problems, settled } = await ask(AS_NOBODY, [
      { how: 'capabilities', on: '' },
      { how: 'read', on: '/etc/passwd' },
      { how: 'start threads', on: '64', maxProcesses: 1, version: 'few' },
      { how: 'start threads', on: '64', maxProcesses: 10, memoryMb: 2_048, version: 'many' },
      { how: 'start processes', on: 'tappet-nobody', maxProcesses: 4, version: 'bomb' },
    ])
    assert.deepEqual([uid, problem, problems], [NOBODY, null, []])
    const [capabilities, passwd, few, many, bomb] = settled
    assert.match(String(capabilities?.ok && capabilities.result), /^0+$/)
    assert.equal(passwd?.ok === false && passwd.failure.code, 'ENOENT')
    // 32 threads and processes in all; Node has some of its own.
    assert.ok(few?.ok && Number(few.result) < 32, JSON.stringify(few))
    assert.deepEqual(many, { ok: true, result: 64 })
    assert.equal(bomb?.ok === false && bomb.failure.code, 'TPT_TOO_MANY_PROCESSES')
  })

  test('are refused where there can be no namespaces, and it is said what to do', async () => {
    const { problem, problems, settled } = await ask(
      [...AS_NOBODY, ...WITHOUT_NAMESPACES],
      [{ how: 'born', on: '' }],
    )
    assert.match(
      problem ?? '',
      /bwrap cannot confine a process here \(bwrap: .*\): .*user namespaces must be permitted/,
    )
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['TPT_SANDBOX_UNAVAILABLE'],
    )
    assert.deepEqual(settled, [null])
  })

  test('`tappet doctor` says whether they can be had', async () => {
    const doctor = (prefix: readonly string[], env = {}): Promise<Ended> =>
      run(
        [...prefix, process.execPath, program, 'doctor', '--json'],
        { HOME: project.root, ...env },
        project.root,
      )
    const sandbox = ({ stdout }: Ended): { ok: boolean; detail: string; fix?: string } =>
      (JSON.parse(stdout) as { checks: { name: string; ok: boolean; detail: string }[] }).checks.find(
        ({ name }) => name === 'sandbox',
      )!
    assert.deepEqual(sandbox(await doctor(AS_NOBODY)), {
      name: 'sandbox',
      ok: true,
      detail: 'bwrap confines processes',
    })
    const without = [...AS_NOBODY, ...WITHOUT_NAMESPACES]
    const optional = sandbox(await doctor(without))
    assert.equal(optional.ok, true)
    assert.match(optional.detail, /user namespaces must be permitted/)
    const forced = sandbox(await doctor(without, { TAPPET_ISOLATION: 'sandbox' }))
    assert.equal(forced.ok, false)
    assert.match(forced.fix ?? '', /permit user namespaces/)
  })
})
