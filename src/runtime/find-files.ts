import { readdir, stat } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'

/** Best first: of two files with the same id, this order decides. */
const EXTENSIONS = ['.ts', '.mts', '.js', '.mjs']
/** A folder with one holds a function in another language, and nothing for us to import. */
export const DECLARATION_FILE = 'tappet.json'
const PASSED_OVER = /^[._]|^node_modules$|\.d\.m?ts$|\.test\.\w+$/

export interface FoundFile {
  /** Absolute. */
  readonly path: string
  /** Path under the folder with `/`, without the extension. */
  readonly id: string
}

/** Files that may hold a function, in the order of their ids; null when there is no such folder. */
export async function findFiles(folder: string): Promise<FoundFile[] | null> {
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!isFolder) return null
  const paths = await walk(folder)
  const owners = (await walk(folder, (name) => name === DECLARATION_FILE)).map((path) => dirname(path))
  return paths
    .filter((path) => !owners.some((owner) => path.startsWith(owner + sep)))
    .map((path) => ({ path, id: toPosix(relative(folder, path)).replace(/\.m?[jt]s$/, '') }))
    .toSorted((a, b) => compare(a.id, b.id) || rank(a.path) - rank(b.path))
}

/** All files under it. Links to files are followed, links to folders are not: they may lead round in circles. */
export async function walk(
  folder: string,
  wanted: (name: string) => boolean = isCandidate,
): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return PASSED_OVER.test(entry.name) ? [] : walk(path, wanted)
      if (!wanted(entry.name)) return []
      if (!entry.isSymbolicLink()) return entry.isFile() ? [path] : []
      const target = await stat(path).catch(() => null)
      return target?.isFile() ? [path] : []
    }),
  )
  return found.flat()
}

export function toPosix(path: string): string {
  return path.split(sep).join('/')
}

function isCandidate(name: string): boolean {
  return EXTENSIONS.some((extension) => name.endsWith(extension)) && !PASSED_OVER.test(name)
}

function rank(path: string): number {
  return EXTENSIONS.findIndex((extension) => path.endsWith(extension))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
