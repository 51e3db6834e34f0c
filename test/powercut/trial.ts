import { createHash } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { rollDice } from '../chaos/dice.ts'
import { createOracle } from '../chaos/oracle.ts'
import { createTold, type Told } from '../chaos/told.ts'
import { type Disk, makeDisks } from './disk.ts'
import { type Kind, KINDS, startLoad } from './load.ts'
import { KEY, makeSite, type Site } from './site.ts'

export interface TrialOptions {
  readonly engine: 'redis' | 'postgres'
  readonly cuts: number
  readonly seed: number
  readonly cli: string
  readonly environment?: Readonly<Record<string, string>>
  /** How long acknowledged events may take to run after the power is back. Default 60 s. */
  readonly drainMs?: number
  readonly onProgress?: (cut: number, told: Told<Kind>) => void
}

export interface Trial {
  readonly told: Told<Kind>
  /** Acknowledged uploads whose content was compared after the power was back. */
  readonly filesRead: number
  readonly ticks: number
  /** From the return of the power until events are taken in again, ms, for each cut. */
  readonly restartsMs: readonly number[]
  readonly wrong: readonly string[]
}

/** Load, cut, power back, compare: as often as asked, on one disk whose history goes on. */
export async function runTrial(options: TrialOptions): Promise<Trial> {
  const folder = await mkdtemp(join(tmpdir(), 'tappet-powercut-'))
  const disk = await makeDisks(folder, { ledger: 700, uploads: 200 })
  const port = 20_000 + Math.floor(Math.random() * 20_000)
  const site = await makeSite({
    ...{
      disk: disk.paths.ledger,
      uploads: disk.paths.uploads,
      outside: folder,
      port,
      engine: options.engine,
      cli: options.cli,
    },
    environment: options.environment ?? {},
  })
  const clean = async (): Promise<void> => {
    await site.kill()
    await disk.remove()
    await rm(folder, { recursive: true, force: true })
  }
  const keepLog = async (): Promise<string> => {
    const log = join(tmpdir(), `tappet-powercut-${process.pid}.log`)
    await cp(join(folder, 'log'), log)
    return log
  }
  const interrupted = (): void => void clean().finally(() => process.exit(130))
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    const uploads = disk.paths.uploads
    const trial = await cutAgainAndAgain(options, { disk, uploads, site, folder })
    if (trial.wrong.length > 0) console.log(`\nthe log of the processes: ${await keepLog()}`)
    return trial
  } catch (error) {
    console.log(`\nthe log of the processes: ${await keepLog()}`)
    throw error
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
    await clean()
  }
}

interface Place {
  readonly disk: Pick<Disk, 'cut' | 'restore'>
  /** Where the disk of the uploads is. */
  readonly uploads: string
  readonly site: Site
  readonly folder: string
}

async function cutAgainAndAgain(
  options: TrialOptions,
  { disk, uploads, site, folder }: Place,
): Promise<Trial> {
  const { cuts, seed, drainMs = 60_000, onProgress } = options
  const dice = rollDice(seed)
  const told = createTold(KINDS, 200_000)
  const oracle = createOracle(join(folder, 'oracle.log'), told)
  const restartsMs: number[] = []
  const wrong: string[] = []
  let filesRead = 0
  let databaseUrl = await site.start()
  await site.run('db', 'query', 'create table things (id int primary key)')
  await site.run('db', 'apply')
  for (let cut = 1; cut <= cuts; cut++) {
    const load = startLoad({ url: site.url, databaseUrl, told, dice })
    await pause(dice.between(200, 1_200))
    await site.kill(disk.cut)
    await load.stop()
    await disk.restore()
    const back = performance.now()
    databaseUrl = await site.start()
    restartsMs.push(performance.now() - back)
    const files = [...load.files]
    filesRead += files.length
    for (const [key, sha256] of files) wrong.push(...(await compareFile(site.url, key, sha256)))
    await drained(told, oracle, drainMs)
    wrong.push(...told.lost().map((event) => `acknowledged and lost in cut ${cut}: ${event}`))
    const strays = await persisting(() => strayFiles(databaseUrl, uploads), drainMs)
    wrong.push(...strays.map((line) => `${line} after cut ${cut}`))
    onProgress?.(cut, told)
    if (wrong.length > 0) break
  }
  const ledger = await readLedger(databaseUrl)
  return { told, filesRead, restartsMs, ticks: ledger.ticks, wrong: [...wrong, ...ledger.wrong] }
}

async function compareFile(url: string, key: string, sha256: string): Promise<string[]> {
  const answer = await fetch(`${url}/_tappet/uploads/${key}`, { headers: { authorization: `Bearer ${KEY}` } })
  const content = Buffer.from(await answer.arrayBuffer())
  if (answer.status !== 200) return [`acknowledged and lost: the file ${key}: ${answer.status}`]
  const found = createHash('sha256').update(content).digest('hex')
  return found === sha256 ? [] : [`acknowledged and damaged: the file ${key}, ${content.length} bytes`]
}

/** What is still found after a while: files that were stored just before the cut are announced after the start. */
async function persisting(find: () => Promise<string[]>, longestMs: number): Promise<string[]> {
  const until = performance.now() + longestMs
  for (;;) {
    const found = await find()
    if (found.length === 0 || performance.now() > until) return found
    await pause(200)
  }
}

/** Complete files on the disk of which the ledger does not know, or which are not what it says. */
async function strayFiles(databaseUrl: string, uploads: string): Promise<string[]> {
  const folder = join(uploads, 'uploads', 'files')
  const rows = await query<{ id: string; size: string; sha256: string }>(
    databaseUrl,
    'select id, size, sha256 from tappet.files',
  )
  const known = new Map(rows.map((row) => [row.id, row]))
  const names = (await readdir(folder)).filter((name) => !name.includes('.'))
  const found = await Promise.all(
    names.map(async (name) => {
      const content = await readFile(join(folder, name))
      const row = known.get(name)
      if (!row) return [`${name} is complete, but not in the ledger`]
      const same = createHash('sha256').update(content).digest('hex') === row.sha256
      return same ? [] : [`${name} is not what the ledger says`]
    }),
  )
  return found.flat()
}

async function drained(
  told: Told<Kind>,
  oracle: { read(): Promise<void> },
  longestMs: number,
): Promise<void> {
  const until = performance.now() + longestMs
  for (;;) {
    await oracle.read()
    if (told.waiting() === 0 || performance.now() > until) return
    await pause(50)
  }
}

const GAPS = `
  with ticks as (select (payload->'data'->>'scheduledAt')::timestamptz as at from tappet.events where type = 'cron.tick')
  select at::text from (select generate_series(min(at), max(at), '1 s') as at from ticks) as wanted
   where not exists (select from ticks where ticks.at = wanted.at)`

async function readLedger(databaseUrl: string): Promise<{ ticks: number; wrong: string[] }> {
  const twice = await query(
    databaseUrl,
    'select event from tappet.runs group by event, function_id having count(*) > 1',
  )
  const dead = await query<{ id: string }>(databaseUrl, `select id from tappet.runs where state = 'dead'`)
  const gaps = await query<{ at: string }>(databaseUrl, GAPS)
  const [count] = await query<{ n: number }>(
    databaseUrl,
    `select count(*)::int as n from tappet.events where type = 'cron.tick'`,
  )
  return {
    ticks: count?.n ?? 0,
    wrong: [
      ...twice.map((row) => `two runs of one event: ${JSON.stringify(row)}`),
      ...dead.map(({ id }) => `innocent, but dead: ${id}`),
      ...gaps.map(({ at }) => `no tick at ${at}`),
    ],
  }
}

async function query<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
