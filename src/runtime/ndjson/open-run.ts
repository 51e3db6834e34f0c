import { type Failure, toFailure } from '../../errors.ts'
import type { Trace } from '../../events/trace.ts'
import { createRunLog, type RunLog } from '../handler/log-line.ts'
import type { LogOrder } from '../log-order.ts'
import type { HostCalls } from '../runtime.ts'
import type { Said } from './wire.ts'

type Send = Extract<Said, { readonly type: 'send' }>

/** A run that is in a process: what it logs and sends. */
export interface OpenRun {
  readonly log: RunLog
  /** Resolves with null when the message is durable, or with why it is not. */
  send(message: Send): Promise<Failure | null>
  /** When all that it sent is durable or refused: the first refusal, or null. */
  sent(): Promise<Failure | null>
}

export interface OpenRunOptions {
  readonly functionId: string
  readonly host: HostCalls
  readonly log: LogOrder
}

/** The header of a call, as `attempt` makes it. */
export interface CallHeader {
  readonly runId: string
  readonly attempt: number
  readonly maxAttempts: number
  readonly trigger: number
  readonly trace: Trace
}

export function openRun({ runId, attempt, trace }: CallHeader, options: OpenRunOptions): OpenRun {
  const { functionId, host, log } = options
  const sending = new Set<Promise<Failure | null>>()
  let refused: Failure | null = null
  const send = async ({ queue, data, key, delayMs }: Send): Promise<Failure | null> => {
    try {
      const message = { queue, data: data ?? null, key: key ?? null, delayMs: delayMs ?? 0, trace }
      await host.send(message, { functionId, runId })
      return null
    } catch (error) {
      return (refused ??= { ...toFailure(error), stack: null })
    }
  }
  return {
    log: createRunLog({ runId, attempt }, log.write),
    send(message) {
      const work = send(message)
      sending.add(work)
      return work
    },
    async sent() {
      await Promise.all(sending)
      return refused
    },
  }
}
