import type { Envelope } from '../../src/events/envelope.ts'
import { newId } from '../../src/lib/id.ts'
import type { LoadedFunction } from '../../src/runtime/runtime.ts'
import type { NewEvent, NewRun } from '../../src/store/store.ts'
import type { Hold } from '../../src/worker/leases.ts'

export function makeEnvelope(more: Partial<Envelope> = {}): Envelope {
  const id = newId('msg')
  return {
    specversion: '1.0',
    id,
    source: '/test',
    type: 'queue.message',
    time: '2026-11-23T10:00:00Z',
    data: {},
    ...more,
  }
}

export function makeRun(more: Partial<NewRun> = {}): NewRun {
  return {
    id: newId('run'),
    functionId: 'orders/place',
    trigger: 0,
    idempotencyKey: null,
    orderingKey: null,
    maxAttempts: 3,
    ...more,
  }
}

export function makeEvent(more: Partial<NewEvent> = {}): NewEvent {
  return {
    id: newId('evt'),
    envelope: makeEnvelope(),
    aliases: [],
    runs: [makeRun()],
    delayMs: 0,
    ...more,
  }
}

export function makeFunction(more: Partial<LoadedFunction> = {}): LoadedFunction {
  return {
    id: 'orders/place',
    file: 'functions/orders/place.ts',
    bundle: '/nowhere.mjs',
    version: '000000000000',
    triggers: [],
    retry: { attempts: 3, delayMs: 50, factor: 2, maxDelayMs: 1_000, jitter: 0 },
    timeoutMs: 5_000,
    concurrency: null,
    ...{ instanceConcurrency: 10, maxInstances: null, provisioned: 0, memoryMb: 512, maxProcesses: 64 },
    ...{ env: [], hasEnvSchema: false, secrets: [] },
    database: null,
    hasIdempotencyKey: false,
    hasOrderingKey: false,
    ...more,
  }
}

/** A lease that nobody takes away. */
export function makeHold(): Hold {
  const controller = new AbortController()
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    isOver: () => false,
    release: () => undefined,
  }
}
