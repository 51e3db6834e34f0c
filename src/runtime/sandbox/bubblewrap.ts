import { spawn } from 'node:child_process'
import { realpath } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'
import type { Readable, Writable } from 'node:stream'
import { TappetError } from '../../errors.ts'
import { findCommand } from '../own-programs.ts'
import { readsOf } from './packages.ts'
import { SECCOMP_FD, seccompFilter } from './seccomp.ts'

/** What a sandboxed process has beside Node, the system's libraries and a `/tmp` of its own. */
export interface View {
  /** Whether it may use the machine's network. */
  readonly network: boolean
  /** Absolute paths that it may read, with what is below. */
  readonly reads: readonly string[]
}

/** Where it may write, whatever the broker's environment says. */
export const SANDBOX_ENVIRONMENT = { HOME: '/tmp', TMPDIR: '/tmp' } as const

/** Of its `/tmp`. */
const TMP_BYTES = 64 * 1_048_576

/** Namespaces of its own (processes, network, mounts, users …), no way to make others, no capability, no terminal. */
const CONFINED = [
  ...['--unshare-all', '--unshare-user', '--disable-userns', '--die-with-parent', '--new-session'],
  ...['--cap-drop', 'ALL'],
]

/** The one who starts it writes the filter there. */
const FILTERED = seccompFilter() === null ? [] : ['--seccomp', String(SECCOMP_FD)]

/** What Node itself is made of. */
const LIBRARIES = ['/usr/lib', '/usr/lib32', '/usr/lib64', '/lib', '/lib32', '/lib64', '/nix/store']
const SYSTEM_FILES = ['/etc/ld.so.cache', '/etc/localtime']

/** To find hosts, and to trust them. No private keys. */
const NETWORK_FILES = [
  ...['/etc/hosts', '/etc/resolv.conf', '/etc/nsswitch.conf', '/etc/ssl/certs', '/etc/ssl/openssl.cnf'],
  ...[
    '/etc/pki/tls/certs',
    '/etc/pki/ca-trust',
    '/usr/share/ca-certificates',
    '/usr/local/share/ca-certificates',
  ],
]

export interface Confined {
  readonly command: string
  /** Arguments, up to and with the program itself. */
  readonly args: readonly string[]
}

/**
 * The command line that starts Node in a sandbox, in an empty folder where `cwd` is. On its descriptor `SECCOMP_FD` it must
 * be given the filter of system calls, if there is one for this architecture.
 *
 * @throws TappetError TPT_SANDBOX_UNAVAILABLE
 */
export async function confine(view: View, cwd: string, runner: string): Promise<Confined> {
  const problem = await sandboxProblem()
  if (problem !== null) throw new TappetError('TPT_SANDBOX_UNAVAILABLE', problem)
  const driver = view.network ? await driverOf(runner) : []
  const args = await argumentsOf({ ...view, reads: [...view.reads, ...driver, runner] }, cwd)
  return { command: (await bwrap()) ?? 'bwrap', args: [...args, process.execPath] }
}

async function argumentsOf({ network, reads }: View, cwd: string): Promise<readonly string[]> {
  const files = network ? [...SYSTEM_FILES, ...NETWORK_FILES] : SYSTEM_FILES
  return [
    ...[...CONFINED, ...FILTERED],
    ...(network ? ['--share-net'] : []),
    ...(await shown(LIBRARIES)),
    ...files.flatMap((path) => ['--ro-bind-try', path, path]),
    // The kernel takes settings in /proc from the machine's root, whatever capabilities he has.
    ...['--proc', '/proc', '--remount-ro', '/proc', '--dev', '/dev', '--remount-ro', '/dev'],
    ...['--size', String(TMP_BYTES), '--tmpfs', '/tmp'],
    // They may be in our /tmp.
    ...['--ro-bind', process.execPath, process.execPath],
    ...(await shown(reads)),
    // The rest is an empty tree in memory: nobody writes there.
    ...['--dir', cwd, '--remount-ro', '/', '--chdir', cwd],
  ]
}

/** Where a path is a link, the link and what it leads to; what lies in another one is there with it. */
async function shown(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    [...new Set(paths)].map(async (path) => ({ path, real: await realpath(path).catch(() => null) })),
  )
  const binds = [...new Set(found.flatMap(({ real }) => real ?? []))].toSorted()
  const outer = binds.filter((path) => !binds.some((other) => path.startsWith(`${other}/`)))
  const isInside = (path: string): boolean => outer.some((other) => path.startsWith(`${other}/`))
  const links = found.filter(({ path, real }) => real !== null && real !== path && !isInside(path))
  return [
    ...outer.flatMap((path) => ['--ro-bind', path, path]),
    ...links.flatMap(({ path, real }) => ['--symlink', real ?? path, path]),
  ]
}

let driver: Promise<readonly string[]> | undefined

/** The package behind `ctx.db`, as the runner finds it. */
function driverOf(runner: string): Promise<readonly string[]> {
  return (driver ??= readsOf([createRequire(runner).resolve('pg')]))
}

let found: Promise<string | null> | undefined

/** Its full path, once it is there. */
async function bwrap(): Promise<string | null> {
  const path = await (found ??= findCommand('bwrap', ['--version']))
  if (path === null) found = undefined
  return path
}

let trial: Promise<string | null> | undefined

/** Why there can be no sandboxes here, and what to do about it; null when a process could be confined. Asks again after a failure. */
export async function sandboxProblem(): Promise<string | null> {
  const problem = await (trial ??= tryIt())
  if (problem !== null) trial = undefined
  return problem
}

const INSTALL = '`apt-get install bubblewrap` or `dnf install bubblewrap`'
const PERMIT =
  'version 0.8 or newer is needed, and user namespaces must be permitted ' +
  '(sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces>0, an AppArmor profile for bwrap; ' +
  'in a container, a seccomp profile that has them)'

const HELD_NOTHING = 9

/** Nothing of the machine may be seen, and nothing but /tmp written. It changes nothing, if it can. */
const PROBE = `
  const fs = require('node:fs')
  const opens = (path, flags) => { try { fs.closeSync(fs.openSync(path, flags)); return true } catch { return false } }
  const held = !fs.existsSync('/etc/passwd') && !['/x', '/dev/shm/x'].some((path) => opens(path, 'w')) &&
    !opens('/proc/sys/kernel/core_pattern', 'r+') && opens('/tmp/x', 'w') &&
    (${FILTERED.length === 0} || /^Seccomp:\\s+2/m.test(fs.readFileSync('/proc/self/status', 'utf8')))
  process.exit(held ? 0 : ${HELD_NOTHING})`

async function tryIt(): Promise<string | null> {
  if (process.platform !== 'linux') return `a sandbox needs Linux, got ${process.platform}`
  const command = await bwrap()
  if (command === null) return `a sandbox needs bwrap on the PATH, found none: ${INSTALL}`
  const args = await argumentsOf({ network: false, reads: [] }, '/tappet')
  const problem = await why(command, [...args, process.execPath, '-e', PROBE])
  return problem === null ? null : `${command} cannot confine a process here (${problem}): ${PERMIT}`
}

const TRIAL_MS = 10_000

/** Why a trial has failed; null if it has not. */
async function why(command: string, args: readonly string[]): Promise<string | null> {
  const child = spawn(command, args, {
    env: {},
    stdio: ['ignore', 'ignore', 'pipe', 'ignore', 'pipe'],
    timeout: TRIAL_MS,
    killSignal: 'SIGKILL',
  })
  const [, , stderr, , filter] = child.stdio as unknown as [unknown, unknown, Readable, unknown, Writable]
  filter.on('error', () => undefined).end(seccompFilter())
  const ended = new Promise<string | null>((resolve) => {
    child.once('error', ({ message }) => resolve(message))
    child.once('exit', (code, signal) => resolve(code === 0 ? null : `it ended with ${signal ?? code}`))
  })
  const [said, how] = await Promise.all([text(stderr), ended])
  if (child.exitCode === HELD_NOTHING) return 'what it started could see or write what it must not'
  return how === null ? null : said.trim().split('\n')[0] || how
}
