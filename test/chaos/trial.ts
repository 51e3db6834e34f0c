import { type Cluster, type ClusterOptions, startCluster } from './cluster.ts'
import { rollDice } from './dice.ts'
import { strikeAll } from './faults.ts'
import { type Kind, KINDS, startLoad } from './load.ts'
import { createOracle } from './oracle.ts'
import { createTold, type Told } from './told.ts'
import { judge, type Verdict } from './verdict.ts'

export interface TrialOptions extends ClusterOptions {
  readonly events: number
  readonly faults: number
  readonly seed: number
  readonly batch: number
  /** Between two faults, on average. Default 150. */
  readonly gapMs?: number
  /** Kinds of faults; default all. */
  readonly only?: readonly string[]
  readonly drainMs?: number
  /** Offered and not run yet, at most: the load waits for the functions then. Default 15,000. */
  readonly maxWaiting?: number
  /** Told twice a second. */
  readonly onProgress?: (progress: Progress) => void
}

export interface Progress {
  readonly offered: number
  readonly waiting: number
  readonly struck: number
  readonly fault: string
  readonly elapsedMs: number
}

export interface Trial {
  readonly told: Told<Kind>
  readonly struck: ReadonlyMap<string, number>
  readonly loadMs: number
  readonly verdict: Verdict
  readonly deaths: number
  /** Where the log of the processes is. */
  readonly logFile: string
}

const GAP_MS = 150
/** The slowest kind of load may lag behind so far before the faults wait for it. */
const SLOWEST = 0.9
const MAX_WAITING = 15_000

/** Load and faults side by side on a cluster of its own, then the comparison of what was told with what was done. */
export async function runTrial(options: TrialOptions): Promise<Trial> {
  const cluster = await startCluster(options)
  try {
    return await runOn(cluster, options)
  } finally {
    await cluster.stop()
  }
}

async function runOn(cluster: Cluster, options: TrialOptions): Promise<Trial> {
  const { events, faults, seed, batch, only, drainMs, onProgress, gapMs = GAP_MS } = options
  const { maxWaiting = MAX_WAITING } = options
  const told = createTold(KINDS, events)
  const oracle = createOracle(cluster.oracleFile, told)
  oracle.follow()
  const started = performance.now()
  let struckCount = 0
  let fault = ''
  // Neither may run ahead of the other: faults without load prove nothing, nor does load without faults.
  const loadPace = async (share: number): Promise<void> => {
    while (share > (struckCount + 1) / faults || told.waiting() > maxWaiting) await shortly()
  }
  const faultPace = async (number: number): Promise<void> => {
    struckCount = number
    while (told.total('offered') < SLOWEST * ((events * (number - 1)) / faults)) await shortly()
  }
  const dice = rollDice(seed)
  const load = startLoad(cluster, { events, dice, told, batch, pace: loadPace })
  const progress = setInterval(() => {
    const elapsedMs = performance.now() - started
    onProgress?.({
      offered: told.total('offered'),
      waiting: told.waiting(),
      struck: struckCount,
      fault,
      elapsedMs,
    })
  }, 500)
  const strike = {
    count: faults,
    gapMs,
    dice: rollDice(seed + 1),
    pace: faultPace,
    ...(only && { only }),
  }
  try {
    const striking = strikeAll(cluster, { ...strike, onStrike: (name) => void (fault = name) })
    const struck = await striking
    struckCount = faults
    await load.done
    const loadMs = performance.now() - started
    await oracle.stop()
    const verdict = await judge(cluster, { told, oracle, ...(drainMs !== undefined && { drainMs }) })
    return { told, struck, loadMs, verdict, deaths: cluster.deaths.size, logFile: cluster.logFile }
  } finally {
    clearInterval(progress)
    load.stop()
    await oracle.stop()
  }
}

function shortly(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20))
}
