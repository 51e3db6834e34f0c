import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startEmbeddedPostgres } from '../src/embedded/postgres.ts'
import { findLeftovers, TEST_DATABASE_PREFIX } from './support/leftovers.ts'
import { startRedis } from './support/redis-server.ts'

// `npm test [-- files, globs or options of node --test]`: the tests on servers of their own, or on those that
// TAPPET_TEST_DATABASE_URL or DATABASE_URL, TAPPET_TEST_REDIS_URL or REDIS_URL name. It fails, too, when they leave
// something behind.

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FILE_TIMEOUT_MS = 120_000
const ALL_TIMEOUT_MS = 900_000

const GLOB_PARTS: Readonly<Record<string, string>> = { '**/': '(.*/)?', '**': '.*', '*': '[^/]*' }

const stops: (() => Promise<void>)[] = []
let tests: ChildProcess | undefined
let interruptedBy: NodeJS.Signals | undefined
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  for (const stop of stops.toReversed()) await stop()
}

async function main(args: readonly string[]): Promise<number> {
  const options = args.filter((arg) => arg.startsWith('-'))
  const files = await selectFiles(args.filter((arg) => !arg.startsWith('-')))
  if (files.length === 0) throw new Error(`no test file matches ${args.join(' ')}`)
  const folder = await mkdtemp(join(tmpdir(), 'tappet-run-'))
  stops.push(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o755)
  const temporary = join(folder, 'tmp')
  await mkdir(temporary)
  await chmod(temporary, 0o1777)
  const postgres = await providePostgres(folder)
  const redis = await provideRedis()
  const prefix = `${TEST_DATABASE_PREFIX}${randomBytes(3).toString('hex')}_`
  const { DATABASE_URL: _, REDIS_URL: __, ...inherited } = process.env
  const code = await runTests(files, options, {
    ...inherited,
    TMPDIR: temporary,
    TAPPET_TEST_PREFIX: prefix,
    TAPPET_TEST_DATABASE_URL: postgres.url,
    ...(redis === undefined ? {} : { TAPPET_TEST_REDIS_URL: redis }),
  })
  const left = await findLeftovers({ prefix, temporary, ...postgres })
  if (interruptedBy) return 128 + constants.signals[interruptedBy]
  if (left.length > 0)
    console.error(`\nThe tests left behind:\n${left.map((line) => `  ${line}`).join('\n')}`)
  return code === 0 && left.length > 0 ? 1 : code
}

async function providePostgres(folder: string): Promise<{ url: string; ownServer: boolean }> {
  const given = process.env.TAPPET_TEST_DATABASE_URL ?? process.env.DATABASE_URL
  if (given !== undefined) return { url: given, ownServer: false }
  const postgres = await startEmbeddedPostgres({ folder: join(folder, 'pg') })
  stops.push(() => postgres.stop())
  return { url: postgres.url, ownServer: true }
}

/** Without one the tests that need Redis are skipped. */
async function provideRedis(): Promise<string | undefined> {
  const given = process.env.TAPPET_TEST_REDIS_URL ?? process.env.REDIS_URL
  if (given !== undefined) return given
  const redis = await startRedis()
  if (redis) stops.push(() => redis.stop())
  return redis?.url
}

async function runTests(
  files: readonly string[],
  options: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  if (interruptedBy) return 1
  const args = ['--import', 'tsx', '--test', '--test-concurrency=2', `--test-timeout=${FILE_TIMEOUT_MS}`]
  const child = spawn(process.execPath, [...args, ...options, ...files], { cwd: ROOT, env, stdio: 'inherit' })
  tests = child
  // A file that has failed may keep a connection open, and its process alive: nobody should wait for it for ever.
  const late = setTimeout(() => {
    console.error(`\nThe tests did not end within ${ALL_TIMEOUT_MS / 60_000} minutes.`)
    child.kill('SIGTERM')
  }, ALL_TIMEOUT_MS)
  return new Promise<number>((done, fail) => {
    child.once('error', fail)
    child.once('close', (code) => done(code ?? 1))
  }).finally(() => clearTimeout(late))
}

/** The first ends the tests and everything that was started for them, in order; another one hurries the tests. */
function interrupt(signal: NodeJS.Signals): void {
  tests?.kill(interruptedBy ? 'SIGKILL' : signal)
  interruptedBy ??= signal
}

/** All tests, or those that are named by path, folder or glob. */
async function selectFiles(patterns: readonly string[]): Promise<string[]> {
  const entries = await readdir(join(ROOT, 'test'), { recursive: true })
  const files = entries
    .map((entry) => `test/${entry.split(sep).join('/')}`)
    .filter((file) => file.endsWith('.test.ts'))
  const wanted = patterns.map((pattern) => toRegExp(relative(ROOT, resolve(pattern)).split(sep).join('/')))
  return files
    .filter((file) => wanted.length === 0 || wanted.some((pattern) => pattern.test(file)))
    .toSorted()
}

/** `*` within a folder, `**` across folders; a path stands for all that is in it. */
function toRegExp(glob: string): RegExp {
  const parts = glob
    .split(/(\*\*\/|\*\*|\*)/)
    .map((part) => GLOB_PARTS[part] ?? part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('')}(/|$)`)
}
