import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, readFile, realpath, stat } from 'node:fs/promises'
import { basename, delimiter, dirname, extname, isAbsolute, join, relative, resolve } from 'node:path'
import { type Catalog, type CatalogProblem, ID, ID_RULE } from '../catalog.ts'
import { DECLARATION_FILE, toPosix, walk } from '../find-files.ts'
import type { LoadedFunction } from '../runtime.ts'
import { readManifest } from './manifest.ts'

export interface NdjsonCatalogOptions {
  /** The project's folder. */
  readonly root: string
  /** Where the functions are, in it. Default `functions`. */
  readonly functionsDir?: string
  /** Where programs are looked for. */
  readonly path: string
  /** With `sandbox` there are none: they would run outside of one. Default `process`. */
  readonly isolation?: 'process' | 'sandbox'
}

/** A declaration on its way into the catalog. */
interface Found {
  readonly id: string
  /** Relative to the project's folder. */
  readonly file: string
  /** Absolute. */
  readonly path: string
  readonly json: string
  /** Line of the header in its file; null for a file of its own. */
  readonly line: number | null
}

const PROGRAMS: Readonly<Record<string, string>> = { '.py': 'python3', '.sh': 'sh' }

/** Where a header may be. */
const HEADER_LINES = 20
const HEADER = /^\s*#\s*tappet:\s*(.*)$/

/** The functions in other languages: folders with a `tappet.json`, and `.py` and `.sh` files with a header. */
export async function loadNdjsonCatalog(options: NdjsonCatalogOptions): Promise<Catalog> {
  const root = await realpath(options.root)
  const folder = resolve(root, options.functionsDir ?? 'functions')
  const found = (await findDeclarations(root, folder)).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const outcomes = await Promise.all(
    found.map(async (each) =>
      options.isolation === 'sandbox' ? [unconfined(each)] : judge(each, options.path),
    ),
  )
  return {
    functions: outcomes.flatMap((outcome) => ('id' in outcome ? [outcome] : [])),
    problems: outcomes.flatMap((outcome) => ('id' in outcome ? [] : outcome)),
  }
}

/** Both; an id that is taken by a file of TypeScript stays with it. */
export function joinCatalogs(node: Catalog, others: Catalog): Catalog {
  const taken = new Map(node.functions.map(({ id, file }) => [id, file]))
  const free: LoadedFunction[] = []
  const problems: CatalogProblem[] = []
  for (const fn of others.functions) {
    const other = taken.get(fn.id)
    if (other === undefined) free.push(fn)
    else problems.push(problem(fn.file, `must have an id of its own, got '${fn.id}' like ${other}`))
    taken.set(fn.id, other ?? fn.file)
  }
  return {
    functions: [...node.functions, ...free].toSorted((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id))),
    problems: [...node.problems, ...others.problems, ...problems],
  }
}

async function findDeclarations(root: string, folder: string): Promise<Found[]> {
  const isThere = await stat(folder).catch(() => null)
  if (!isThere?.isDirectory()) return []
  const paths = await walk(folder, (name) => name === DECLARATION_FILE || extname(name) in PROGRAMS)
  const owned = paths.filter((path) => basename(path) === DECLARATION_FILE).map((path) => dirname(path))
  const inside = (path: string): boolean => owned.some((owner) => path.startsWith(`${owner}/`))
  const found = await Promise.all(
    paths.map(async (path): Promise<Found[]> => {
      const isOwn = basename(path) === DECLARATION_FILE
      if (!isOwn && inside(path)) return []
      const text = await readFile(path, 'utf8').catch(() => '')
      const header = isOwn ? { json: text, line: null } : readHeader(text)
      const named = isOwn ? dirname(path) : path.slice(0, -extname(path).length)
      const id = toPosix(relative(folder, named))
      return header ? [{ id, path, file: toPosix(relative(root, path)), ...header }] : []
    }),
  )
  return found.flat()
}

function readHeader(text: string): { readonly json: string; readonly line: number } | null {
  for (const [place, line] of text.split('\n', HEADER_LINES).entries()) {
    const match = HEADER.exec(line)
    if (match) return { json: match[1] ?? '', line: place + 1 }
  }
  return null
}

function unconfined({ file }: Found): CatalogProblem {
  return problem(file, 'TAPPET_ISOLATION=sandbox confines functions of Node only; this one would run outside')
}

async function judge(found: Found, searched: string): Promise<LoadedFunction | readonly CatalogProblem[]> {
  const { id, file, path, json, line } = found
  const where = line === null ? '' : `line ${line}: `
  if (!ID.test(id)) return [problem(file, `its path ${ID_RULE}, got '${id}'`)]
  const manifest = readManifest(json, line === null)
  if (!('runtime' in manifest)) return manifest.map((message) => problem(file, `${where}${message}`))
  const { command: given, ...declared } = manifest
  const command = given ?? [PROGRAMS[extname(path)] ?? 'sh', basename(path)]
  const [program] = command
  if (program !== undefined && !(await isProgram(program, dirname(path), searched))) {
    const expected = program.includes('/') ? 'a file that may be executed' : 'a program on the PATH'
    return [problem(file, `${where}\`command[0]\` must be ${expected}, got '${program}'`)]
  }
  return { id, file, bundle: path, version: await versionOf(found), command, ...declared }
}

async function isProgram(program: string, folder: string, searched: string): Promise<boolean> {
  const places = program.includes('/')
    ? [isAbsolute(program) ? program : resolve(folder, program)]
    : searched.split(delimiter).map((place) => join(place, program))
  const there = await Promise.all(
    places.map((place) =>
      access(place, constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  )
  return there.includes(true)
}

/** Of all files in a folder with a `tappet.json`, or of the one file that has a header. */
async function versionOf({ path, line }: Found): Promise<string> {
  const hash = createHash('sha256')
  const paths = line === null ? (await walk(dirname(path), () => true)).toSorted() : [path]
  for (const each of paths) {
    const bytes = await readFile(each).catch(() => Buffer.alloc(0))
    hash.update(`${relative(dirname(path), each)}\0${bytes.length}\0`).update(bytes)
  }
  return hash.digest('hex').slice(0, 12)
}

function problem(file: string, message: string): CatalogProblem {
  return { file, code: 'TPT_FUNCTION_INVALID', message: `${file}: ${message}` }
}
