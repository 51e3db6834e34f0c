import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, '..', 'peers')

/** Versions as they are installed; installs them first if they are missing or others. `npm ci` of the project never does. */
export function ensurePeers(): Readonly<Record<string, string>> {
  const wanted = readJson('package.json').devDependencies ?? {}
  const wrong = Object.entries(wanted).filter(([name, version]) => installed(name) !== version)
  if (wrong.length > 0) {
    const names = wrong.map(([name, version]) => `${name} ${version}`).join(', ')
    console.log(`Missing in bench/peers/node_modules: ${names}.`)
    console.log('Installing them (npm ci in bench/peers, about 200 MB, once; no install scripts) …')
    const npm = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: FOLDER,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    if (npm.status !== 0) {
      throw new Error('the peers could not be installed: run `npm ci --ignore-scripts` in bench/peers')
    }
  }
  return wanted
}

/** Of a dependency of the project itself. */
export function ownVersion(name: string): string {
  return readJson(join('..', '..', 'node_modules', name, 'package.json')).version ?? 'unknown'
}

function installed(name: string): string | null {
  try {
    return readJson(join('node_modules', name, 'package.json')).version ?? null
  } catch {
    return null
  }
}

interface Manifest {
  readonly version?: string
  readonly devDependencies?: Readonly<Record<string, string>>
}

function readJson(path: string): Manifest {
  return JSON.parse(readFileSync(join(FOLDER, path), 'utf8')) as Manifest
}
