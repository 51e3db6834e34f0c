import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Why a test that needs a small disk is skipped. */
export const noTmpfs = 'no small disk: mounting a tmpfs needs root'

export interface SmallDisk {
  readonly path: string
  unmount(): Promise<void>
}

/** A disk of so many bytes (`1m`), to be filled; null where one cannot be mounted. */
export async function mountTmpfs(size: string): Promise<SmallDisk | null> {
  const path = await mkdtemp(join(tmpdir(), 'tappet-disk-'))
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true })
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', path])
  } catch {
    await remove()
    return null
  }
  return {
    path,
    async unmount() {
      await run('umount', [path])
      await remove()
    },
  }
}
