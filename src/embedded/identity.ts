import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { TappetError } from '../errors.ts'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** As whom Postgres runs. It refuses to run as root, so root takes on another identity. */
export interface Identity {
  readonly name: string
  /** Whom all its files must belong to; null: us. */
  readonly owner: Owner | null
  /** What the command line begins with. */
  readonly prefix: readonly string[]
}

export interface Ended {
  readonly ok: boolean
  /** What it wrote, on both streams. */
  readonly output: string
}

export const SELF: Identity = { name: 'this user', owner: null, prefix: [] }

/** Whom root may run it as. initdb insists on a user that has a name. */
const SYSTEM_USERS = ['postgres', 'nobody']

/** Nothing of ours: neither our secrets nor a PGDATA or PGPORT that somebody has set. */
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
}

export async function chooseIdentity(): Promise<Identity> {
  const isRoot = process.getuid?.() === 0
  if (!isRoot && hasName()) return SELF
  const [user] = await findSystemUsers()
  const namespace = user && inNamespace(user, isRoot ? { uid: 0, gid: 0 } : null)
  if (namespace && (await run(namespace, 'true', [])).ok) return namespace
  if (!isRoot) return SELF
  if (user) return user
  throw new TappetError(
    'TPT_POSTGRES_EMBEDDED',
    `Postgres does not run as root, and there is no user ${SYSTEM_USERS.join(' or ')} to run it as: ` +
      'start Tappet as a user other than root, or set DATABASE_URL to a Postgres of your own',
  )
}

export interface SpawnOptions {
  readonly detached?: boolean
  readonly stdio: StdioOptions
}

export function spawnAs(
  identity: Identity,
  program: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  const [command = program, ...rest] = [...identity.prefix, program, ...args]
  return spawn(command, rest, {
    ...options,
    ...identity.owner,
    cwd: '/',
    env: ENVIRONMENT,
    windowsHide: true,
  })
}

/** Runs a program to its end. Never rejects. */
export function run(identity: Identity, program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    let output = ''
    const child = spawnAs(identity, program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk) => (output += String(chunk)))
    child.once('error', (error) => resolve({ ok: false, output: error.message }))
    child.once('close', (code) => resolve({ ok: code === 0, output: output.trim() }))
  })
}

function hasName(): boolean {
  try {
    userInfo()
    return true
  } catch {
    return false
  }
}

/** Another user from within, the same to the file system: works inside folders that only root may enter. */
function inNamespace({ name, owner }: SystemUser, outside: Owner | null): Identity {
  const prefix = ['unshare', '--user', `--map-user=${owner.uid}`, `--map-group=${owner.gid}`]
  return { name: `${name} in a user namespace`, owner: outside, prefix }
}

type SystemUser = Identity & { readonly owner: Owner }

async function findSystemUsers(): Promise<SystemUser[]> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const entries = passwd.split('\n').map((line) => line.split(':'))
  return SYSTEM_USERS.flatMap((name) => {
    const [, , uid, gid] = (entries.find(([user]) => user === name) ?? []).map(Number)
    return uid && gid && uid > 0 ? [{ name: `the user ${name}`, owner: { uid, gid }, prefix: [] }] : []
  })
}
