import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { machineCpuMs, spent, total, type Uses, usesOf } from './processes.ts'
import { createDatabase, query, type Servers } from './servers.ts'
import { type Figures, type Load, median, type SideOptions } from './side.ts'

/** Who takes part: it can be given a turn, and its processes can be found. */
export interface Contestant {
  readonly name: string
  /** What it promises to have on disk when it says "accepted". */
  readonly durability: string
  readonly pids: readonly number[]
  /** Waits for its time, before anything is measured. */
  ready?(): Promise<unknown>
  turn(load: Load): Promise<Figures>
  close(): Promise<void>
}

export interface Case {
  readonly title: string
  readonly load: Load
  /** Of the figures, the one whose ratio counts most. */
  readonly headline: string
  readonly rounds: number
}

export interface Row {
  readonly name: string
  readonly durability: string
  /** Medians over the rounds. */
  readonly figures: Figures
  /** Ours by this one's, round by round, for each figure. */
  readonly ratios: Readonly<Record<string, Spread>>
  /** Per process: CPU of one turn, memory at its end. */
  readonly processes: Uses
  /** CPU of all its processes, the servers' included, for a thousand. */
  readonly cpuMsPerThousand: number
  readonly rounds: readonly Figures[]
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Outcome {
  readonly title: string
  readonly headline: string
  readonly load: Load
  readonly rows: readonly Row[]
  /** Load average before, and how many cores others of the machine took meanwhile. */
  readonly loadAverage: number
  readonly othersCores: number
}

interface Turn {
  readonly figures: Figures
  readonly processes: Uses
}

/** All in turn, round by round, on the same servers: a noisy machine is unfair to nobody. The first one is ours. */
export async function contest(all: readonly Contestant[], asked: Case, servers: Servers): Promise<Outcome> {
  const [loadAverage = 0] = loadavg()
  for (const one of all) {
    await one.ready?.()
    await one.turn({ ...asked.load, seconds: Math.min(1, asked.load.seconds) })
  }
  const turns = new Map<Contestant, Turn[]>(all.map((one) => [one, []]))
  const others: number[] = []
  for (let round = 1; round <= asked.rounds; round++) {
    for (const one of all) {
      tell(`${asked.title}: round ${round} of ${asked.rounds}, ${one.name}`)
      await one.ready?.()
      const { othersCores, ...turn } = await takeTurn(one, asked.load, servers)
      turns.get(one)?.push(turn)
      others.push(othersCores)
    }
  }
  tell('')
  const ours = turns.get(all[0] as Contestant) ?? []
  return {
    ...{ title: asked.title, headline: asked.headline, load: asked.load },
    rows: all.map((one) => toRow(one, turns.get(one) ?? [], ours)),
    ...{ loadAverage, othersCores: median(others) },
  }
}

/** Where it is, on one line of a terminal. */
function tell(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}

async function takeTurn(
  one: Contestant,
  load: Load,
  servers: Servers,
): Promise<Turn & { readonly othersCores: number }> {
  const look = (): Uses => ({
    ...usesOf(one.pids),
    ...usesOf([servers.postgresPid], 'postgres'),
    ...usesOf([servers.redisPid], 'redis'),
  })
  const everybody = (): number => total(usesOf([process.pid, servers.postgresPid, servers.redisPid])).cpuMs
  const before = { uses: look(), machine: machineCpuMs(), all: everybody(), at: performance.now() }
  const figures = await one.turn(load)
  const elapsed = performance.now() - before.at
  const others = machineCpuMs() - before.machine - (everybody() - before.all)
  return { figures, processes: spent(before.uses, look()), othersCores: Math.max(0, others / elapsed) }
}

function toRow(one: Contestant, turns: readonly Turn[], ours: readonly Turn[]): Row {
  const keys = Object.keys(turns[0]?.figures ?? {})
  const labels = [...new Set(turns.flatMap(({ processes }) => Object.keys(processes)))]
  const of = (read: (turn: Turn) => number): number => median(turns.map(read))
  return {
    name: one.name,
    durability: one.durability,
    figures: Object.fromEntries(keys.map((key) => [key, of(({ figures }) => figures[key] ?? 0)])),
    ratios: Object.fromEntries(
      keys.map((key) => [
        key,
        spread(turns.map(({ figures }, i) => (ours[i]?.figures[key] ?? 0) / (figures[key] || Number.NaN))),
      ]),
    ),
    processes: Object.fromEntries(
      labels.map((label) => [
        label,
        {
          cpuMs: of(({ processes }) => processes[label]?.cpuMs ?? 0),
          rssMb: of(({ processes }) => processes[label]?.rssMb ?? 0),
        },
      ]),
    ),
    cpuMsPerThousand: of(
      ({ processes, figures }) => (total(processes).cpuMs / Math.max(1, figures.count ?? 1)) * 1_000,
    ),
    rounds: turns.map(({ figures }) => figures),
  }
}

function spread(ratios: readonly number[]): Spread {
  const known = ratios.filter((ratio) => Number.isFinite(ratio))
  return { median: median(known), min: Math.min(...known), max: Math.max(...known) }
}

/** A side in a process of its own, which may be asked for turns. */
export interface SideProcess {
  readonly info: unknown
  readonly pid: number
  readonly options: SideOptions
  turn(load: Load): Promise<Figures>
  close(): Promise<void>
}

let started = 0

/** With a folder and a database that nobody else uses, in which `schema` has been run. */
export async function startSide(
  servers: Servers,
  file: string,
  name: string,
  more: Readonly<Record<string, string>> = {},
  schema?: string,
): Promise<SideProcess> {
  const label = `side${started++}_${file.replaceAll('-', '_')}`
  const folder = join(servers.folder, label)
  await mkdir(folder, { recursive: true })
  const databaseUrl = await createDatabase(servers.databaseUrl, label)
  if (schema !== undefined) await query(databaseUrl, schema)
  const options = { databaseUrl, redisUrl: servers.redisUrl, folder, ...more }
  const child = fork(
    join(import.meta.dirname, '..', 'sides', 'child.ts'),
    [file, name, JSON.stringify(options)],
    { execArgv: ['--import', 'tsx', ...profiling()], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  )
  const { info } = (await answer(child, label)) as { info: unknown }
  return {
    ...{ info, options, pid: child.pid ?? 0 },
    async turn(load) {
      child.send(load)
      return (await answer(child, label)) as Figures
    },
    async close() {
      if (!child.connected) return
      const gone = once(child, 'exit')
      child.send('close')
      await gone
    },
  }
}

/** `BENCH_CPU_PROF=<folder>`: each side writes a profile when it ends. */
function profiling(): string[] {
  const folder = process.env.BENCH_CPU_PROF
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`]
}

async function answer(child: ChildProcess, label: string): Promise<unknown> {
  const settled = new AbortController()
  const { signal } = settled
  try {
    return await Promise.race([
      once(child, 'message', { signal }).then(([message]) => message as unknown),
      once(child, 'exit', { signal }).then(([code]) => {
        throw new Error(`${label} has ended with ${String(code)}`)
      }),
    ])
  } finally {
    settled.abort()
  }
}
