/** Which question a PING asks; its PONG has the same id. */
export const PING = { check: 0, lag: 1, boot: 2, spare: 3 } as const

export interface Probes extends Omit<LagMeter, 'answered'>, Pick<Pings, 'ask'> {
  answered(id: number): void
  /** Nobody will answer any more. */
  over(): void
}

/** What is asked of a process to know how it does. */
export function createProbes(send: (id: number) => void): Probes {
  const pings = createPings(() => send(PING.check))
  const lag = createLagMeter(() => send(PING.lag))
  return {
    ...lag,
    ask: pings.ask,
    answered(id) {
      if (id === PING.check) pings.answered()
      else if (id === PING.lag) lag.answered()
    },
    over() {
      pings.answered()
      lag.watch(false)
    },
  }
}

interface Pings {
  /** One question at a time: another joins the one that is under way. */
  ask(withinMs: number, onSilence: () => void): void
  answered(): void
}

/** Signs of life with a deadline. */
function createPings(send: () => void): Pings {
  let timer: NodeJS.Timeout | null = null
  return {
    ask(withinMs, onSilence) {
      if (timer) return
      timer = setTimeout(onSilence, withinMs)
      send()
    },
    answered() {
      clearTimeout(timer ?? undefined)
      timer = null
    },
  }
}

interface LagMeter {
  /** How long the event loop on the other side was last seen to take, or takes already. */
  ms(): number
  /** Looks again, if that was not done a moment ago. */
  probe(): void
  answered(): void
  /** Looks every now and then. */
  watch(watching: boolean): void
}

const PROBE_AFTER_MS = 20
const PROBE_EVERY_MS = 100

function createLagMeter(send: () => void): LagMeter {
  let askedMs = -Infinity
  let open = false
  let lastMs = 0
  let timer: NodeJS.Timeout | undefined
  const probe = (): void => {
    const nowMs = performance.now()
    if (open || nowMs - askedMs < PROBE_AFTER_MS) return
    open = true
    askedMs = nowMs
    send()
  }
  return {
    probe,
    ms: () => (open ? Math.max(lastMs, performance.now() - askedMs) : lastMs),
    answered() {
      open = false
      lastMs = performance.now() - askedMs
    },
    watch(watching) {
      clearInterval(timer)
      timer = watching ? setInterval(probe, PROBE_EVERY_MS).unref() : undefined
      if (!watching) lastMs = 0
    },
  }
}
