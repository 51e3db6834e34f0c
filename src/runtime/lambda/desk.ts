import type { OpenRun } from '../ndjson/open-run.ts'

export interface Next {
  readonly headers: Readonly<Record<string, string>>
  readonly event: Buffer
}

/** An invocation on its way through the process. */
export interface Turn {
  /** Of the call. */
  readonly id: number
  readonly requestId: string
  readonly run: OpenRun
  readonly next: Next
  /** What is answered goes to a caller over HTTP. */
  readonly isRequest: boolean
}

/** Where the one process and the one call meet: what may be asked and answered in which state. */
export interface Desk {
  put(turn: Turn): void
  turn(): Turn | null
  /** The process asks for the next invocation; null when it must not: it has one, or asks already. */
  next(gone: AbortSignal): Promise<Next> | null
  /** The turn that is answered, once; null when this is not under way. */
  answer(requestId: string): Turn | null
  /** The turn is settled: another may be put. */
  over(): void
  /** It has asked for an invocation: what it loads is loaded. */
  hasAsked(): boolean
}

export function createDesk(): Desk {
  let turn: Turn | null = null
  let state: 'waiting' | 'given' | 'answered' = 'waiting'
  let asking: ((next: Next) => void) | null = null
  let asked = false
  const meet = (): void => {
    if (!turn || !asking || state !== 'waiting') return
    state = 'given'
    asking(turn.next)
    asking = null
  }
  return {
    put(next) {
      turn = next
      state = 'waiting'
      meet()
    },
    turn: () => turn,
    next(gone) {
      if (asking || (turn && state === 'given')) return null
      asked = true
      const coming = new Promise<Next>((resolve) => (asking = resolve))
      const own = asking
      gone.addEventListener('abort', () => void (asking === own && (asking = null)), { once: true })
      meet()
      return coming
    },
    answer(requestId) {
      if (turn?.requestId !== requestId || state !== 'given') return null
      state = 'answered'
      return turn
    },
    over: () => void (turn = null),
    hasAsked: () => asked,
  }
}
