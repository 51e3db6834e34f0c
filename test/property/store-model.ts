import { newId } from '../../src/lib/id.ts'
import { isFinal, type RunState } from '../../src/store/run-state.ts'
import type { Outcome } from '../../src/store/store.ts'

/** A run as the model knows it; times are only now and much later. */
export interface ModelRun {
  readonly id: string
  readonly functionId: string
  readonly eventId: string
  readonly key: string | null
  readonly maxAttempts: number
  state: RunState
  attempt: number
  lease: number
  losses: number
  worker: string | null
  later: boolean
  readonly outcomes: string[]
}

export interface Model {
  /** Part of all its names, so that many histories can share one database. */
  readonly history: string
  /** First delivery by the event's own name, and by alias. */
  readonly names: Map<string, string>
  readonly aliases: Map<string, string>
  readonly runs: ModelRun[]
  /** Workers whose heart has beaten. */
  readonly alive: Set<string>
}

export function createModel(): Model {
  return { history: newId('msg'), names: new Map(), aliases: new Map(), runs: [], alive: new Set() }
}

export interface Delivery {
  readonly eventId: string
  readonly name: string
  readonly alias: string | null
  readonly runs: readonly Pick<ModelRun, 'id' | 'functionId' | 'key' | 'maxAttempts'>[]
  readonly later: boolean
}

/** The body's hash says more than an id that nobody signed: it is asked first. */
export function deliver(model: Model, { eventId, name, alias, runs, later }: Delivery) {
  const first = (alias !== null && model.aliases.get(alias)) || model.names.get(name) || null
  if (alias !== null) model.aliases.set(alias, first ?? eventId)
  if (first !== null) return { eventId: first, duplicate: true, made: [] as string[] }
  model.names.set(name, eventId)
  const made = runs.flatMap((run): string[] => {
    const taken = model.runs.some(
      (other) => run.key !== null && other.functionId === run.functionId && other.key === run.key,
    )
    if (taken) return []
    const fresh = { state: 'accepted', attempt: 0, lease: 0, losses: 0, worker: null } as const
    model.runs.push({ ...run, ...fresh, eventId, later, outcomes: [] })
    return [run.id]
  })
  return { eventId, duplicate: runs.length > 0 && made.length === 0, made }
}

export function mayStart(run: ModelRun, lease: number): boolean {
  return run.lease === lease && !run.later && ['accepted', 'queued', 'retrying'].includes(run.state)
}

export function start(run: ModelRun, worker: string): void {
  Object.assign(run, { state: 'running', attempt: run.attempt + 1, lease: run.lease + 1, worker })
}

export function finish(run: ModelRun, outcome: Outcome): void {
  run.outcomes.push(outcome.kind)
  run.worker = null
  switch (outcome.kind) {
    case 'completed':
    case 'dead':
      run.state = outcome.kind
      return
    case 'retry':
      run.state = 'retrying'
      run.later = outcome.delayMs > 0
      return
    case 'released':
      run.state = 'queued'
      run.attempt--
      if (outcome.failure.code !== 'TPT_SHUTDOWN') run.losses++
  }
}

export function lose(run: ModelRun): void {
  run.outcomes.push('lost')
  Object.assign(run, { state: 'queued', attempt: run.attempt - 1, worker: null })
}

/** What the sweep does to a run whose worker is silent. */
export function reclaim(run: ModelRun, maxLosses: number): void {
  lose(run)
  run.losses++
  if (run.losses >= maxLosses) run.state = 'dead'
}

export function cancel(run: ModelRun): boolean {
  if (isFinal(run.state)) return false
  if (run.state === 'running') run.outcomes.push('cancelled')
  Object.assign(run, { state: 'cancelled', worker: null })
  return true
}

export function replay(run: ModelRun): boolean {
  if (run.state !== 'dead' && run.state !== 'cancelled') return false
  Object.assign(run, { state: 'queued', attempt: 0, losses: 0, later: false })
  return true
}
