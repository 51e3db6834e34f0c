import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { LoadedFunction } from '../runtime/runtime.ts'
import type { Queue } from '../queue/queue.ts'
import type { Outcome, Store } from '../store/store.ts'

/** What one process counts, and what the ledger holds when it is asked. Labels never come from strangers. */
export interface Metrics {
  readonly contentType: string
  /** An event that a trigger brought: `type` is its type, such as `http.request`. */
  eventAccepted(type: string, result: 'accepted' | 'duplicate' | 'failed'): void
  /** An attempt that is over. */
  runFinished(end: {
    readonly functionId: string
    readonly status: Outcome['kind']
    readonly durationMs: number
  }): void
  /** A store that reports the events and runs that go through it. */
  watch(store: Store): Store
  /** The Prometheus text. Gauges that the ledger or the queue cannot give at the moment are left out. */
  render(sources: MetricSources): Promise<string>
}

export interface MetricSources {
  readonly store: Store
  readonly queue: Queue
  readonly functions: readonly LoadedFunction[]
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900]

export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const events = new Counter({
    name: 'tappet_events_total',
    help: 'Events that triggers brought, by their source, type and what became of them.',
    labelNames: ['source', 'type', 'result'],
    registers,
  })
  const runs = new Counter({
    name: 'tappet_runs_total',
    help: 'Runs that this process has ended, by how: completed or dead.',
    labelNames: ['function', 'status'],
    registers,
  })
  const retries = new Counter({
    name: 'tappet_retries_total',
    help: 'Attempts that failed and are tried again.',
    labelNames: ['function'],
    registers,
  })
  const durations = new Histogram({
    name: 'tappet_run_duration_seconds',
    help: 'How long attempts took, from the claim to the result.',
    labelNames: ['function'],
    buckets: SECONDS,
    registers,
  })
  const gauges = createGauges(registry)

  // Two at once would empty each other's gauges, and ask the ledger twice.
  let rendering: Promise<string> | null = null
  const render = async (sources: MetricSources): Promise<string> => {
    await gauges(sources)
    return registry.metrics()
  }

  const metrics: Metrics = {
    contentType: registry.contentType,
    eventAccepted: (type, result) => events.inc({ source: type.split('.')[0] ?? type, type, result }),
    runFinished({ functionId, status, durationMs }) {
      durations.observe({ function: functionId }, durationMs / 1_000)
      if (status === 'completed' || status === 'dead') runs.inc({ function: functionId, status })
      if (status === 'retry') retries.inc({ function: functionId })
    },
    watch: (store) => watch(store, metrics),
    render: (sources) => (rendering ??= render(sources).finally(() => (rendering = null))),
  }
  return metrics
}

/** Fills gauges anew at each scrape, so that what is gone does not stay. */
function createGauges(registry: Registry): (sources: MetricSources) => Promise<void> {
  const gauge = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
  ): Gauge<Label> => new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] })
  const ledger = gauge('tappet_ledger_up', 'Whether Postgres answers.', [])
  const backend = gauge('tappet_queue_up', 'Whether the queue engine answers.', [])
  const states = gauge('tappet_runs', 'Runs in the ledger: open, dead, and ended within 24 hours.', [
    'function',
    'state',
  ])
  const dead = gauge('tappet_dead_letters', 'Runs that are kept for replay.', ['function'])
  const depth = gauge('tappet_queue_depth', 'Jobs on the queue.', ['queue', 'state'])

  return async ({ store, queue, functions }) => {
    for (const one of [states, dead, depth]) one.reset()
    const fromLedger = store.stats().then((stats) => {
      for (const { functionId, state, count } of stats) {
        states.set({ function: functionId, state }, count)
        if (state === 'dead') dead.set({ function: functionId }, count)
      }
    })
    const fromQueue = Promise.all(
      functions.map(async ({ id }) => {
        const { waiting, active } = await queue.counts(id)
        depth.set({ queue: id, state: 'waiting' }, waiting)
        depth.set({ queue: id, state: 'active' }, active)
      }),
    )
    ledger.set(await succeeded(fromLedger))
    backend.set(await succeeded(fromQueue))
  }
}

function succeeded(work: Promise<unknown>): Promise<0 | 1> {
  return work.then(
    () => 1,
    () => 0,
  )
}

function watch(store: Store, metrics: Metrics): Store {
  return {
    ...store,
    async accept(event) {
      try {
        const acceptance = await store.accept(event)
        metrics.eventAccepted(event.envelope.type, acceptance.duplicate ? 'duplicate' : 'accepted')
        return acceptance
      } catch (error) {
        metrics.eventAccepted(event.envelope.type, 'failed')
        throw error
      }
    },
    async finish(finish) {
      const ended = await store.finish(finish)
      const { functionId, outcome, durationMs } = finish
      if (ended) metrics.runFinished({ functionId, status: outcome.kind, durationMs })
      return ended
    },
  }
}
