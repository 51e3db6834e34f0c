import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import { eventually } from './eventually.ts'

/** How the databases of tests are named; a run of all of them adds to it. */
export const TEST_DATABASE_PREFIX = 'tappet_test_'

export interface Run {
  /** How this run's databases begin; also in the environment of all its processes, as TAPPET_TEST_PREFIX. */
  readonly prefix: string
  /** The server is only ours: whoever is connected to it is of this run. */
  readonly ownServer: boolean
  readonly url: string
  /** TMPDIR of the tests. */
  readonly temporary: string
}

/** What tools keep in TMPDIR on purpose. */
const CACHES = /^(tsx-\d+|node-compile-cache)$/

/** Everything that the tests should have cleared away and have not, one sentence each. Kills processes left over. */
export async function findLeftovers(run: Run): Promise<string[]> {
  const processes = await persisting(() => listProcesses(run))
  const found = processes.map(({ pid, command }) => `process ${pid}: ${command}`)
  for (const { pid } of processes) kill(pid)
  for (const name of await readdir(run.temporary)) {
    if (!CACHES.test(name)) found.push(`temporary file ${join(run.temporary, name)}`)
  }
  const client = new Client({ connectionString: run.url, application_name: 'tappet-test-run' })
  await client.connect()
  try {
    found.push(...(await persisting(() => listConnections(client, run))))
    found.push(...(await dropDatabases(client, run.prefix)))
  } finally {
    await client.end()
  }
  return found
}

/** What is still there after a while: a process or connection that was just told to end may need a moment. */
async function persisting<T>(list: () => Promise<T[]>): Promise<T[]> {
  const gone = eventually(async () => (await list()).length === 0, 'nothing to be left', 3_000)
  return gone.then(() => [], list)
}

interface Process {
  readonly pid: number
  readonly command: string
}

/** Processes of this run, by their environment, and servers of its tests, by their working folder; on Linux. */
async function listProcesses({ prefix, temporary }: Run): Promise<Process[]> {
  const found: Process[] = []
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    const [environment, folder, command] = await Promise.all([
      readFile(`/proc/${name}/environ`, 'utf8').catch(() => ''),
      readlink(`/proc/${name}/cwd`).catch(() => ''),
      readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => ''),
    ])
    const isOurs = environment.split('\0').includes(`TAPPET_TEST_PREFIX=${prefix}`)
    if (isOurs || `${folder}/`.startsWith(`${temporary}/`)) {
      found.push({ pid: Number(name), command: command.replaceAll('\0', ' ').slice(0, 200) })
    }
  }
  return found
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone in the meantime.
  }
}

async function listConnections(client: Client, { prefix, ownServer }: Run): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(
    `select format('connection %s to %s (%s): %s', pid, datname, application_name, left(query, 100)) as line
     from pg_stat_activity
     where backend_type in ('client backend', 'walsender') and pid <> pg_backend_pid()
       and ($1 or starts_with(datname, $2))`,
    [ownServer, prefix],
  )
  return rows.map(({ line }) => line)
}

async function dropDatabases(client: Client, prefix: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    'select datname as name from pg_database where starts_with(datname, $1)',
    [prefix],
  )
  for (const { name } of rows)
    await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`)
  return rows.map(({ name }) => `database ${name}`)
}
