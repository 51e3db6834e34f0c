import { realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { packageFolder, readManifest } from '../external-packages.ts'

/**
 * The folders of the packages that these files are in, and of all that those depend on, as Node finds it; a file of no
 * package by itself. Named by where they are looked for, which may be a link.
 */
export async function readsOf(files: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>()
  const add = async (path: string): Promise<void> => {
    if (found.has(path)) return
    found.add(path)
    const folder = await realpath(path).catch(() => path)
    const { dependencies, optionalDependencies, peerDependencies } = await readManifest(folder)
    const names = Object.keys({
      ...(dependencies as object),
      ...(optionalDependencies as object),
      ...(peerDependencies as object),
    })
    for (const name of names) {
      const needed = await lookUp(folder, name)
      if (needed !== null) await add(needed)
    }
  }
  for (const file of files) await add(packageFolder(file) || file)
  return [...found].toSorted()
}

/** In the `node_modules` of the folder and of those above it. */
async function lookUp(folder: string, name: string): Promise<string | null> {
  const path = join(folder, 'node_modules', name)
  if (await stat(path).catch(() => null)) return path
  const above = dirname(folder)
  return above === folder ? null : lookUp(above, name)
}
