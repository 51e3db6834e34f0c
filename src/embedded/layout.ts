import {
  access,
  constants,
  cp,
  lchown,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { TappetError } from '../errors.ts'
import type { Identity, Owner } from './identity.ts'

/** Told about what takes time. */
export type Progress = (message: string) => void

/** Where everything of one cluster is. */
export interface Layout {
  readonly folder: string
  readonly data: string
  readonly log: string
  /** The port of last time. */
  readonly port: string
}

/** For a folder whose parents the user whom root runs Postgres as may not enter. */
const ELSEWHERE = '/var/lib/tappet'

/** A file that says where. */
const POINTER = 'moved-to'

const UNUSABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST'])

/** Makes the folder, or follows it to where its cluster has been put. */
export async function openFolder(folder: string): Promise<Layout> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const moved = await readFile(join(folder, POINTER), 'utf8').catch(() => null)
    const layout = layoutIn(moved?.trim() || folder)
    for (const path of [folder, layout.folder])
      await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
    return layout
  } catch (error) {
    throw folderError(folder, error)
  }
}

/** The same layout, or another when `identity` cannot get there; all files belong to `identity` afterwards. */
export async function giveTo(layout: Layout, { owner, name }: Identity, progress: Progress): Promise<Layout> {
  if (owner === null) return layout
  const usable = await canReach(layout.folder, owner)
  const target = usable ? layout : await moveElsewhere(layout)
  if (!usable) progress(`keeping the database in ${target.folder}: ${name} cannot enter ${layout.folder}`)
  if ((await stat(target.folder)).uid !== owner.uid) await chownAll(target.folder, owner)
  return target
}

/** An error about the folder as a sentence; any other as it is. */
export function folderError(folder: string, error: unknown): unknown {
  const { code = '', path } = error as NodeJS.ErrnoException
  if (!UNUSABLE.has(code)) return error
  const where = path === undefined || path === folder ? '' : ` at ${path}`
  const message = `the database needs a folder that it can write to, got ${code}${where} in ${folder}`
  return new TappetError('TPT_FOLDER_READONLY', message, { cause: error })
}

function layoutIn(folder: string): Layout {
  return {
    folder,
    data: join(folder, 'data'),
    log: join(folder, 'server.log'),
    port: join(folder, 'port'),
  }
}

async function canReach(folder: string, owner: Owner): Promise<boolean> {
  if (owner.uid === 0) return true
  for (let path = dirname(folder); ; path = dirname(path)) {
    const { mode, uid, gid } = await stat(path)
    const execute = uid === owner.uid ? 0o100 : gid === owner.gid ? 0o010 : 0o001
    if ((mode & execute) === 0) return false
    if (path === dirname(path)) return true
  }
}

/** What is there already moves along; the pointer is written when it has arrived. */
async function moveElsewhere(layout: Layout): Promise<Layout> {
  await mkdir(ELSEWHERE, { recursive: true, mode: 0o755 })
  const moved = layoutIn(await mkdtemp(join(ELSEWHERE, 'pg-')))
  await cp(layout.folder, moved.folder, {
    recursive: true,
    verbatimSymlinks: true,
    preserveTimestamps: true,
  })
  await writeFile(join(layout.folder, POINTER), moved.folder)
  await rm(layout.data, { recursive: true, force: true })
  return moved
}

/** The top last, so that a chown cut short is seen and done again. */
export async function chownAll(path: string, owner: Owner): Promise<void> {
  if ((await lstat(path)).isDirectory()) {
    for (const name of await readdir(path)) await chownAll(join(path, name), owner)
  }
  await lchown(path, owner.uid, owner.gid)
}
