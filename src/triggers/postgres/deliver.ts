import { TappetError } from '../../errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Outbox, OutboxChange } from '../../outbox/outbox.ts'
import type { Emit } from '../trigger.ts'
import type { Binding } from './binding.ts'
import { normalize } from './normalize.ts'

export interface DeliveryOptions {
  readonly outbox: Outbox
  readonly emit: Emit
  readonly logger: Logger
}

export interface Delivery {
  /** Rows come from now on, if the outbox has started. Idempotent. */
  take(): void
  setBindings(bindings: readonly Binding[]): void
  /** Adds columns of primary keys, by binding; a table that is gone may still have rows on their way. */
  setKeys(keys: ReadonlyMap<string, readonly string[]>): void
  /** Rows stay in the outbox from now on. */
  refuse(): void
  /** Resolves when every `emit` has settled. */
  settled(): Promise<void>
}

/** From rows of the outbox to events. */
export function createDelivery({ outbox, emit, logger }: DeliveryOptions): Delivery {
  const underWay = new Set<Promise<void>>()
  let bindings: ReadonlyMap<string, Binding> = new Map()
  let keys: ReadonlyMap<string, readonly string[]> = new Map()
  let taken = false
  let refusing = false

  const deliver = async (changes: readonly OutboxChange[]): Promise<void> => {
    if (refusing) throw new TappetError('TPT_SHUTDOWN', 'the Postgres trigger takes no more rows')
    const emits = changes.flatMap((change) => {
      const binding = bindings.get(change.binding)
      if (!binding) return []
      return emit(normalize(change, keys.get(binding.id) ?? []), binding.subscriptions, { invalid: 'keep' })
    })
    const unbound = changes.length - emits.length
    if (unbound > 0) logger.debug({ rows: unbound }, 'dropped rows that no function binds any more')
    const failed = (await Promise.allSettled(emits)).find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }

  const follow = (changes: readonly OutboxChange[]): Promise<void> => {
    const work = deliver(changes)
    underWay.add(work)
    return work.finally(() => underWay.delete(work))
  }
  /** Said again after every change: rows that were left to others may be ours now. */
  const register = (): void => outbox.take('change', follow, () => [...bindings.keys()])

  return {
    take() {
      if (!taken) register()
      taken = true
    },
    setBindings(next: readonly Binding[]) {
      bindings = new Map(next.map((binding) => [binding.id, binding]))
      if (taken) register()
    },
    setKeys(more: ReadonlyMap<string, readonly string[]>) {
      keys = new Map([...keys, ...more])
    },
    refuse() {
      refusing = true
    },
    async settled() {
      await Promise.allSettled(underWay)
    },
  }
}
