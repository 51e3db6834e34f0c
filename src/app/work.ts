import type { LoadedFunction } from '../runtime/runtime.ts'
import type { Dispatcher } from '../worker/dispatcher.ts'
import type { Worker } from '../worker/worker.ts'

interface Work {
  readonly undo: (() => Promise<unknown>)[]
  readonly dispatcher: Dispatcher
  readonly worker: Worker
}

/** @param served what this process runs; null: nothing. */
export async function startWork(
  { dispatcher, worker, undo }: Work,
  served: readonly LoadedFunction[] | null,
): Promise<void> {
  dispatcher.start()
  undo.push(() => dispatcher.stop())
  if (served === null) return
  await worker.serve(served)
  dispatcher.offerTo(worker)
}
