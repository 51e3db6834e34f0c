import { randomBytes } from 'node:crypto'
import { chmod, chown, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TappetError } from '../errors.ts'
import { run } from './identity.ts'
import type { Layout, Progress } from './layout.ts'
import { isAlive } from './lock-file.ts'
import type { Programs } from './programs.ts'

/** A role called `tappet` would find our schema before `public`: `$user` comes first in the search path. */
export const ROLE = 'postgres'
export const DATABASE = 'tappet'

const UNFINISHED = 'initdb-'
const PASSWORD_FILE = 'tappet-password'

/** Drafts that this process is making, so that a start does not clear away those of another beside it. */
const drafting = new Set<string>()

/**
 * True when it made a cluster, false when there is one already. A cluster is made beside its place, with its password,
 * and moved there when complete: a kill at any time leaves all or nothing, and of two at once one wins.
 */
export async function ensureCluster(
  layout: Layout,
  programs: Programs,
  progress: Progress,
): Promise<boolean> {
  await clearDrafts(layout.folder)
  const version = await readVersion(layout.data)
  if (version !== null) {
    requireVersion(version, programs.version, layout)
    await chmod(layout.data, 0o700)
    return false
  }
  await setAside(layout.data, progress)
  progress(`creating a database in ${layout.folder} (first start)`)
  const draft = `${UNFINISHED}${process.pid}-${randomBytes(6).toString('hex')}`
  drafting.add(draft)
  try {
    await initialise(join(layout.folder, draft), programs)
    return await moveInto(layout.data, join(layout.folder, draft))
  } finally {
    drafting.delete(draft)
  }
}

export async function readPassword(layout: Layout): Promise<string> {
  return (await readFile(join(layout.data, PASSWORD_FILE), 'utf8')).trim()
}

/** What starts that were killed have left. */
async function clearDrafts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(UNFINISHED)) continue
    const pid = Number(name.slice(UNFINISHED.length).split('-')[0])
    if (pid === process.pid ? drafting.has(name.split('.')[0] ?? '') : isAlive(pid)) continue
    // An initdb that outlived its parent may still write there: the next start tries again.
    await rm(join(folder, name), { recursive: true, force: true, maxRetries: 2 }).catch(() => undefined)
  }
}

async function readVersion(data: string): Promise<string | null> {
  try {
    return (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** A new major version of Postgres cannot read the files of an older one. */
function requireVersion(found: string, ours: string, { data }: Layout): void {
  if (found === ours.split('.')[0]) return
  throw new TappetError(
    'TPT_POSTGRES_EMBEDDED',
    `${data} was made by Postgres ${found}, the embedded one is ${ours}: install the Tappet that made it and dump it ` +
      'into another database, or move the folder away to begin with an empty one, or set DATABASE_URL',
  )
}

/** A folder that is no cluster, for example of an initdb that somebody ran by hand. Never deleted. */
async function setAside(data: string, progress: Progress): Promise<void> {
  const entries = await readdir(data).catch(() => [])
  if (entries.length === 0) return
  const aside = `${data}.${Date.now()}`
  await rename(data, aside)
  progress(`${data} is no complete database: moved to ${aside}`)
}

async function initialise(draft: string, { initdb, identity }: Programs): Promise<void> {
  const password = randomBytes(24).toString('base64url')
  const passwordFile = `${draft}.password`
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (identity.owner) await chown(passwordFile, identity.owner.uid, identity.owner.gid)
  const args = [`--pgdata=${draft}`, `--username=${ROLE}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256']
  const { ok, output } = await run(identity, initdb, [
    ...args,
    '--encoding=UTF8',
    '--locale=C',
    '--data-checksums',
    '--no-instructions',
  ])
  await rm(passwordFile, { force: true })
  if (!ok) {
    await rm(draft, { recursive: true, force: true })
    throw new TappetError(
      'TPT_POSTGRES_EMBEDDED',
      `initdb in ${draft} as ${identity.name} failed: ${output.slice(-1_000)}`,
    )
  }
  await writeFile(join(draft, PASSWORD_FILE), password, { mode: 0o600, flush: true })
}

async function moveInto(data: string, draft: string): Promise<boolean> {
  try {
    await rename(draft, data)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
    await rm(draft, { recursive: true, force: true })
    return false
  }
}
