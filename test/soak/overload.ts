import { Agent, request as httpRequest } from 'node:http'
import type { Cluster } from '../chaos/cluster.ts'
import type { Kind } from '../chaos/load.ts'
import { pauseMs } from '../chaos/means.ts'
import type { Told } from '../chaos/told.ts'

/** What more than the cluster can take did to it. */
export interface Overload {
  /** Of such events alone, accepted and run, a second. */
  readonly peak: number
  readonly perSecond: number
  readonly seconds: number
  readonly offered: number
  readonly accepted: number
  /** By status; `none` where no answer came. */
  readonly refusals: ReadonlyMap<string, number>
  /** From the last event until ten posts in a row were accepted as fast as before. */
  readonly recoveryMs: number
  /** Most memory of all processes together, MiB. */
  readonly peakMiB: number
}

export interface OverloadOptions {
  readonly seconds: number
  readonly told: Told<Kind>
  /** What all processes use just now, MiB. */
  readonly memory: () => Promise<number>
  readonly onProgress: (offered: number) => void
}

/** How many times its peak is offered. */
const TIMES = 3
const PEAK_MS = 20_000
const PEAK_CALLERS = 16
const WAITING_AT_PEAK = 3_000
const EVENTS_A_REQUEST = 5
const TICK_MS = 20
/** What no client would wait for: it counts as no answer. */
const TIMEOUT_MS = 20_000
/** Ours are given up instead of theirs when so many are under way: a load balancer has a limit, too. */
const MOST_OPEN = 4_000
const SETTLED_POSTS = 10

/** Callers who each wait for their answer, for a while: what comes through. The first half warms up. */
async function measurePeak(cluster: Cluster, told: Told<Kind>, agent: Agent): Promise<number> {
  const until = performance.now() + PEAK_MS
  const call = async (): Promise<void> => {
    while (performance.now() < until) {
      while (told.waiting() > WAITING_AT_PEAK) await pauseMs(5)
      const numbers = Array.from({ length: EVENTS_A_REQUEST }, () => told.offer('batch'))
      const status = await post(cluster, agent, numbers).catch(() => 'none')
      if (status === 202) for (const n of numbers) told.acknowledge('batch', n)
    }
  }
  const calls = Promise.all(Array.from({ length: PEAK_CALLERS }, call))
  await pauseMs(PEAK_MS / 2)
  const [before, from] = [told.ran().events, performance.now()]
  await calls
  return ((told.ran().events - before) * 1_000) / (performance.now() - from)
}

/** Offers at a fixed rate, whatever the answers: callers who do not wait for each other. */
export async function overload(cluster: Cluster, options: OverloadOptions): Promise<Overload> {
  const { seconds, told, onProgress } = options
  const agent = new Agent({ keepAlive: true, maxSockets: MOST_OPEN })
  const peak = await measurePeak(cluster, told, agent)
  const perSecond = Math.round(peak * TIMES)
  while (told.waiting() > 0) await pauseMs(50)
  const usualMs = await settledMs(cluster, told, agent)
  const refusals = new Map<string, number>()
  const open = new Set<Promise<void>>()
  const refuse = (why: string): void => {
    refusals.set(why, (refusals.get(why) ?? 0) + EVENTS_A_REQUEST)
    told.refuse(why, EVENTS_A_REQUEST)
  }
  let [offered, accepted, peakMiB] = [0, 0, 0]
  const send = async (): Promise<void> => {
    const numbers = Array.from({ length: EVENTS_A_REQUEST }, () => told.offer('batch'))
    offered += EVENTS_A_REQUEST
    const status = await post(cluster, agent, numbers).catch(() => 'none' as const)
    if (status !== 202) return refuse(String(status))
    accepted += EVENTS_A_REQUEST
    for (const n of numbers) told.acknowledge('batch', n)
  }
  const watching = setInterval(() => {
    onProgress(offered)
    void options.memory().then((now) => (peakMiB = Math.max(peakMiB, now)))
  }, 1_000)
  const started = performance.now()
  for (let elapsed = 0; elapsed < seconds * 1_000; elapsed = performance.now() - started) {
    const due = (elapsed / 1_000) * perSecond
    while (offered < due && open.size < MOST_OPEN) {
      const sending = send().finally(() => open.delete(sending))
      open.add(sending)
    }
    await pauseMs(TICK_MS)
  }
  const ended = performance.now()
  clearInterval(watching)
  await settled(cluster, told, agent, Math.max(50, 4 * usualMs))
  const recoveryMs = performance.now() - ended
  await Promise.all(open)
  agent.destroy()
  return { peak, perSecond, seconds, offered, accepted, refusals, recoveryMs, peakMiB }
}

/** The median of what ten posts took, one after the other. */
async function settledMs(cluster: Cluster, told: Told<Kind>, agent: Agent): Promise<number> {
  const took: number[] = []
  while (took.length < SETTLED_POSTS) {
    const one = await timed(cluster, told, agent)
    if (one !== null) took.push(one)
  }
  return took.toSorted((a, b) => a - b)[SETTLED_POSTS / 2] ?? 0
}

async function settled(cluster: Cluster, told: Told<Kind>, agent: Agent, withinMs: number): Promise<void> {
  for (let inARow = 0; inARow < SETTLED_POSTS;) {
    const one = await timed(cluster, told, agent)
    inARow = one !== null && one <= withinMs ? inARow + 1 : 0
  }
}

async function timed(cluster: Cluster, told: Told<Kind>, agent: Agent): Promise<number | null> {
  const n = told.offer('batch')
  const started = performance.now()
  const status = await post(cluster, agent, [n]).catch(() => 'none')
  if (status !== 202) return null
  told.acknowledge('batch', n)
  return performance.now() - started
}

let turn = 0

function post({ nodes, key }: Cluster, agent: Agent, numbers: readonly number[]): Promise<number> {
  const brokers = nodes.filter(({ role }) => role === 'broker')
  const { url } = brokers[turn++ % brokers.length] ?? { url: '' }
  const events = numbers.map((n) => ({
    ...{ specversion: '1.0', id: `batch-${n}`, source: '/chaos', type: 'batch', data: { n } },
  }))
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/cloudevents-batch+json',
  }
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      `${url}/_tappet/events`,
      { method: 'POST', agent, headers, timeout: TIMEOUT_MS },
      (response) => {
        response
          .resume()
          .on('end', () => resolve(response.statusCode ?? 0))
          .on('error', reject)
      },
    )
    request
      .on('timeout', () => request.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)))
      .on('error', reject)
    request.end(JSON.stringify(events))
  })
}
