import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from '../support/eventually.ts'

const run = promisify(execFile)

/** An ext4 file system of its own, in a file, whose power can be cut: what was not synced is gone then. */
export interface Disk {
  readonly path: string
  /** From now on nothing reaches the disk, and its journal is not flushed. */
  cut(): Promise<void>
  /** Mounts it again, as after the power is back. Whoever had files open on it must be gone. */
  restore(): Promise<void>
  remove(): Promise<void>
}

/** What is missing for it, in a sentence; null when nothing is. */
export async function whatIsMissing(): Promise<string | null> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'power cuts need root on Linux'
  for (const program of ['mkfs.ext4', 'mount', 'umount', 'xfs_io', 'fsck.ext4']) {
    const there = await run('sh', ['-c', `command -v ${program}`]).then(
      () => true,
      () => false,
    )
    if (!there) return `power cuts need ${program} on the PATH`
  }
  const folder = await mkdtemp(join(tmpdir(), 'tappet-mount-'))
  try {
    const disk = await makeDisk(folder, 16)
    await disk.remove()
    return null
  } catch (error) {
    return `power cuts need loop devices: ${(error as Error).message.split('\n').at(-2) ?? String(error)}`
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Several at once, each in a folder of its own name: what lies on one is not flushed by a sync of another. */
export async function makeDisks<Name extends string>(
  folder: string,
  megabytes: Readonly<Record<Name, number>>,
): Promise<{ readonly paths: Readonly<Record<Name, string>> } & Omit<Disk, 'path'>> {
  const paths: Partial<Record<Name, string>> = {}
  const disks: Disk[] = []
  for (const [name, size] of Object.entries(megabytes) as [Name, number][]) {
    await mkdir(join(folder, name))
    const disk = await makeDisk(join(folder, name), size)
    disks.push(disk)
    paths[name] = disk.path
  }
  const each = async (work: (disk: Disk) => Promise<void>): Promise<void> => {
    await Promise.all(disks.map(work))
  }
  return {
    paths: paths as Record<Name, string>,
    cut: () => each((disk) => disk.cut()),
    restore: () => each((disk) => disk.restore()),
    remove: () => each((disk) => disk.remove()),
  }
}

export async function makeDisk(folder: string, megabytes: number): Promise<Disk> {
  const image = join(folder, 'disk.img')
  const path = join(folder, 'disk')
  const file = await open(image, 'wx')
  await file.truncate(megabytes * 2 ** 20)
  await file.close()
  await run('mkfs.ext4', ['-q', '-F', image])
  await mkdir(path)
  const mount = (): Promise<unknown> => run('mount', ['-o', 'loop', image, path])
  const umount = (): Promise<unknown> =>
    eventually(() => run('umount', [path]).then(() => true), 'the disk is free', 10_000)
  await mount()
  return {
    path,
    cut: async () => void (await run('xfs_io', ['-x', '-c', 'shutdown', path])),
    async restore() {
      await umount()
      await mount()
    },
    async remove() {
      await umount()
      await rm(image)
    },
  }
}
