import { type ErrorCode, type Failure, TappetError, toFailure } from '../errors.ts'
import type { Exit } from './supervisor/protocol.ts'

/** How a call to an instance came out. */
export type Ending =
  | { readonly kind: 'answered'; readonly ok: boolean; readonly payload: Buffer; readonly use?: unknown }
  /** The call's own fault, or the function's as a whole. */
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** The process went away under it for no fault of its own. */
  | { readonly kind: 'lost'; readonly failure: Failure }
  /** Its process did nothing more, with several calls in it: nobody knows which of them it was. */
  | { readonly kind: 'blocked'; readonly failure: Failure }

/** Why we end a process with calls in it: it did not load, a call did not end, nothing in it went on, or we stop. */
export type Death = 'loading' | 'timeout' | 'blocked' | 'shutdown'

/** How a process was when it went. */
export interface LastState {
  /** Path of the function's file, for messages. */
  readonly file: string
  /** Why we have killed it; null when we have not. */
  readonly death: Death | null
  /** It has said something: what happened may be the function's doing. */
  readonly booted: boolean
  /** Its bundle had not been imported yet. */
  readonly loading: boolean
  /** How many were in it. */
  readonly calls: number
}

/** What the calls in a process are told when it is gone. Only a call that was in it alone can be to blame. */
export function endingOf({ file, death, booted, loading, calls }: LastState, exit: Exit): Ending {
  const how = describeExit(exit)
  if (death === 'shutdown')
    return { kind: 'lost', failure: failure('TPT_SHUTDOWN', `${file}: its process was stopped`) }
  if (death === 'loading')
    return { kind: 'failed', failure: failure('TPT_FUNCTION_LOAD', `${file}: did not load in time`) }
  if (death === 'timeout') {
    const message = `${file}: its process was killed because another run in it did not end`
    return { kind: 'lost', failure: failure('TPT_INSTANCE_LOST', message) }
  }
  if (death === 'blocked' && calls > 1) {
    const message = `${file}: its process did nothing more, with ${calls} runs in it`
    return { kind: 'blocked', failure: failure('TPT_INSTANCE_LOST', message) }
  }
  if (exit.error !== null) return { kind: 'lost', failure: failure('TPT_INSTANCE_LOST', `${file}: ${how}`) }
  if (!mayHaveBegun(booted, loading, exit))
    return { kind: 'lost', failure: failure('TPT_INSTANCE_LOST', `${file}: ${how} before it began`) }
  if (loading)
    return { kind: 'failed', failure: failure('TPT_FUNCTION_LOAD', `${file}: ${how} while it loaded`) }
  if (calls > 1) {
    const message = `${file}: ${how} with ${calls} runs in it`
    return { kind: 'lost', failure: failure('TPT_INSTANCE_LOST', message) }
  }
  return { kind: 'failed', failure: failure(codeOf(exit), `${file}: ${how}`) }
}

/** Nobody kills a process while it loads but chance: the kernel for want of memory, or a person. */
function mayHaveBegun(booted: boolean, loading: boolean, { signal, over }: Exit): boolean {
  return booted && !(loading && signal === 'SIGKILL' && over === null)
}

/** Of V8, and of the C++ library. */
const OUT_OF_MEMORY = /out of memory|bad_alloc/i

/** For want of memory, we have ended it or V8 gave up. */
function codeOf({ over, lastWords }: Exit): ErrorCode {
  if (over === 'processes') return 'TPT_TOO_MANY_PROCESSES'
  return over === 'memory' || OUT_OF_MEMORY.test(lastWords ?? '')
    ? 'TPT_OUT_OF_MEMORY'
    : 'TPT_FUNCTION_CRASHED'
}

function describeExit({ code, signal, error, over, lastWords }: Exit): string {
  if (error !== null) return `no process is there to run it: ${error}`
  if (over === 'memory') return 'the process took more than its `memory` and was killed'
  if (over === 'processes') return 'the process had started more than its `maxProcesses` and was killed'
  const how = signal === null ? `exited with code ${code}` : `died of ${signal}`
  return `the process ${how}${lastWords === null ? '' : ` (${lastWords})`}`
}

/** What calls are told when the bundle's import throws. */
export function notLoaded(file: string, { name, message, stack }: Failure): Ending {
  return {
    kind: 'failed',
    failure: { ...failure('TPT_FUNCTION_LOAD', `${file}: does not load: ${name}: ${message}`), stack },
  }
}

/** A call that comes when the process has already gone is never to blame. */
export function lost(ending: Ending): Ending {
  return 'failure' in ending ? { kind: 'lost', failure: ending.failure } : ending
}

function failure(code: ErrorCode, message: string): Failure {
  return { ...toFailure(new TappetError(code, message)), stack: null }
}
