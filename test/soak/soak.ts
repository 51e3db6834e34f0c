import { readFile } from 'node:fs/promises'
import { type Cluster, type ClusterOptions, startCluster } from '../chaos/cluster.ts'
import type { Node } from '../chaos/launcher.ts'
import { type Dice, rollDice } from '../chaos/dice.ts'
import { strikeAll } from '../chaos/faults.ts'
import { type Kind, KINDS, startLoad } from '../chaos/load.ts'
import { pauseMs, runners } from '../chaos/means.ts'
import { createOracle } from '../chaos/oracle.ts'
import { createTold, type Told } from '../chaos/told.ts'
import { judge, type Verdict } from '../chaos/verdict.ts'
import { type Overload, overload } from './overload.ts'
import { type Sample, takeSample } from './sample.ts'

export interface SoakOptions extends Pick<ClusterOptions, 'engine'> {
  readonly minutes: number
  readonly overloadSeconds: number
  readonly seed: number
  readonly onProgress: (line: string) => void
}

export interface Soak {
  /** Events a second that the cluster accepted and ran, flat out. */
  readonly peak: number
  readonly told: Told<Kind>
  readonly struck: ReadonlyMap<string, number>
  readonly samples: readonly Sample[]
  /** Keys, connections and files once all had drained. */
  readonly atRest: Sample
  readonly overload: Overload
  readonly verdict: Verdict
  readonly logFile: string
}

const CALIBRATION_S = 45
const SAMPLE_MS = 10_000
/** A closed loop that keeps so many events waiting measures the peak without piling them up. */
const WAITING_AT_PEAK = 3_000
const ROOM = 20_000_000
const BATCH = 10

/** How fast it can be, then half of that for long with a fault a minute, then three times that for a while. */
export async function soak(options: SoakOptions): Promise<Soak> {
  const cluster = await startCluster({
    engine: options.engine,
    roles: ['broker', 'broker', 'worker', 'worker'],
  })
  try {
    return await soakOn(cluster, options)
  } finally {
    await cluster.stop()
  }
}

async function soakOn(cluster: Cluster, options: SoakOptions): Promise<Soak> {
  const { minutes, overloadSeconds, seed, onProgress } = options
  const told = createTold(KINDS, ROOM)
  const oracle = createOracle(cluster.oracleFile, told)
  oracle.follow()
  const dice = rollDice(seed)
  try {
    const peak = await calibrate(cluster, told, dice, onProgress)
    const elders = [oldest(cluster, 'broker'), oldest(cluster, 'worker')]
    const { samples, struck } = await steady(cluster, { ...options, told, dice, elders, perSecond: peak / 2 })
    onProgress('draining')
    await drained(told)
    const atRest = await takeSample(cluster, elders, minutes)
    const overloaded = await overload(cluster, {
      ...{ seconds: overloadSeconds, told },
      memory: () => memoryOf(cluster),
      onProgress: (offered) => onProgress(`overload: ${offered} offered, ${told.waiting()} waiting`),
    })
    onProgress('draining')
    await oracle.stop()
    const verdict = await judge(cluster, { told, oracle, drainMs: 15 * 60_000 })
    return { peak, told, struck, samples, atRest, overload: overloaded, verdict, logFile: cluster.logFile }
  } finally {
    await oracle.stop()
  }
}

async function calibrate(
  cluster: Cluster,
  told: Told<Kind>,
  dice: Dice,
  onProgress: SoakOptions['onProgress'],
): Promise<number> {
  onProgress('calibrating')
  const pace = async (): Promise<void> => {
    while (told.waiting() > WAITING_AT_PEAK) await pauseMs(5)
  }
  const load = startLoad(cluster, { events: ROOM / 10, dice, told, batch: BATCH, pace })
  // The first half warms caches and code.
  await pauseMs((CALIBRATION_S / 2) * 1_000)
  const [before, from] = [told.ran().events, performance.now()]
  await pauseMs((CALIBRATION_S / 2) * 1_000)
  const peak = ((told.ran().events - before) * 1_000) / (performance.now() - from)
  load.stop()
  await load.done
  await drained(told)
  return peak
}

interface Steady extends SoakOptions {
  readonly told: Told<Kind>
  readonly dice: Dice
  readonly elders: readonly Node[]
  readonly perSecond: number
}

async function steady(
  cluster: Cluster,
  { minutes, seed, told, dice, elders, perSecond, onProgress }: Steady,
): Promise<Pick<Soak, 'samples' | 'struck'>> {
  const started = performance.now()
  const elapsed = (): number => (performance.now() - started) / 60_000
  const events = Math.round(perSecond * minutes * 60)
  const pace = async (share: number): Promise<void> => {
    while (share > elapsed() / minutes) await pauseMs(10)
  }
  const load = startLoad(cluster, { events, dice, told, batch: BATCH, pace })
  const samples: Sample[] = []
  const sampling = setInterval(() => {
    void takeSample(cluster, elders, elapsed()).then((sample) => samples.push(sample))
    const at = `${elapsed().toFixed(1)} of ${minutes} min, ${Math.round(perSecond)} events/s`
    onProgress(`${at}, ${told.waiting()} waiting`)
  }, SAMPLE_MS)
  // Faults end other processes than those that are watched.
  const others = { ...cluster, nodes: cluster.nodes.filter((one) => !elders.includes(one)) }
  const struck = await strikeAll(others, {
    count: Math.max(1, Math.floor(minutes) - 1),
    ...{ gapMs: 60_000, dice: rollDice(seed + 1), pace: async () => undefined, onStrike: () => undefined },
  })
  await load.done
  clearInterval(sampling)
  return { samples, struck }
}

function oldest({ nodes }: Cluster, role: Node['role']): Node {
  const peers = nodes.filter((one) => one.role === role)
  const [first] = peers.toSorted((a, b) => b.upMs() - a.upMs())
  if (!first) throw new Error(`expected a ${role}, found none`)
  return first
}

async function drained(told: Told<Kind>): Promise<void> {
  for (let i = 0; i < 1_200 && told.waiting() > 0; i++) await pauseMs(250)
}

/** Of our processes and their functions', MiB. */
async function memoryOf(cluster: Cluster): Promise<number> {
  const pids = [...cluster.nodes.map((one) => one.child().pid), ...(await runners(cluster))]
  const sizes = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024
    }),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
