import pgListen from 'pg-listen'
import type { Logger } from '../lib/log.ts'
import { pause, startLoop } from '../lib/service.ts'
import { connectionConfig } from './connection.ts'

export interface ListenerOptions {
  readonly url: string
  readonly logger: Logger
  /** There may be rows: a NOTIFY came, or may have been missed. */
  readonly onWake: () => void
  /** How often it NOTIFYs itself. Default 5 s. */
  readonly echoMs?: number
  /** Silence after which the connection is replaced. Default 10 s. */
  readonly deafMs?: number
}

export interface Listener {
  /** Since the last sign of life. */
  silentMs(): number
  /** How often the connection was lost or replaced. */
  reconnects(): number
  /** Idempotent. */
  stop(): Promise<void>
}

const CHANNEL = 'tappet_outbox'
/** What we say to ourselves; the trigger function says nothing, which means rows. */
const ECHO = 'echo'
const RETRY_MS = 500

/**
 * Hears the NOTIFY of the trigger function: a hint, never the truth. pg-listen connects again by itself, but an error
 * while it does leaves it deaf for ever, and it does not notice a half-open connection. So this talks to itself through
 * the server, and replaces a line on which it does not hear itself.
 */
export function startListener({
  url,
  logger,
  onWake,
  echoMs = 5_000,
  deafMs = 10_000,
}: ListenerOptions): Listener {
  let heardAt = performance.now()
  let reconnects = 0
  let deaf = false
  let line: Line | null = null

  const events: LineEvents = {
    onWake,
    onSound() {
      heardAt = performance.now()
      if (deaf) logger.info({}, 'outbox: hears notifications again')
      deaf = false
    },
    onLost: () => void reconnects++,
    onDead: () => watchdog.wake(),
  }
  const watchdog = startLoop(
    async (signal) => {
      const silent = performance.now() - heardAt > deafMs
      if (silent && !deaf)
        logger.warn({}, 'outbox: hears no notifications, connecting again; it polls meanwhile')
      deaf ||= silent
      if (silent) reconnects++
      if (silent || line?.dead()) {
        line?.hangUp()
        await pause(RETRY_MS, signal)
        line = null
      }
      if (signal.aborted) return
      if (silent) heardAt = performance.now()
      line ??= openLine(url, events)
      line.echo()
    },
    { everyMs: echoMs, onError: (err) => logger.error({ err }, 'outbox: the listener failed') },
  )
  return {
    silentMs: () => Math.round(performance.now() - heardAt),
    reconnects: () => reconnects,
    async stop() {
      await watchdog.stop()
      line?.hangUp()
    },
  }
}

interface LineEvents {
  readonly onSound: () => void
  readonly onWake: () => void
  /** It lost its connection, and makes a new one. */
  readonly onLost: () => void
  /** It could not connect the first time. */
  readonly onDead: () => void
}

interface Line {
  echo(): void
  dead(): boolean
  hangUp(): void
}

function openLine(url: string, { onSound, onWake, onLost, onDead }: LineEvents): Line {
  const { config, cut } = connectionConfig(url, 'listener')
  let ended = false
  let dead = false
  // Thrown through pg-listen's loop of retries, which has no other way to end.
  const checkEnded = (): void => {
    if (ended) throw new Error('hung up')
  }
  const subscriber = pgListen.default(config, {
    // No limit: its default gives up for good after 3 s.
    retryTimeout: 0,
    retryInterval: () => (checkEnded(), RETRY_MS),
    paranoidChecking: false,
    parse: (text: string) => text,
    serialize: String,
  })
  const hangUp = (): void => {
    ended = true
    subscriber.close().catch(() => undefined)
    cut()
  }
  // One at a time: on a line that is stuck, they would pile up.
  let echoing = true
  const echo = async (): Promise<void> => {
    echoing = true
    try {
      await subscriber.notify(CHANNEL, ECHO)
    } finally {
      echoing = false
    }
  }
  const connect = async (): Promise<void> => {
    await subscriber.connect()
    await subscriber.listenTo(CHANNEL)
    checkEnded()
    onWake()
    await echo()
  }

  subscriber.events.on('error', () => undefined)
  subscriber.events.on('reconnect', (attempt: number) => {
    checkEnded()
    if (attempt === 1) onLost()
  })
  subscriber.events.on('connected', () => (ended ? hangUp() : onWake()))
  subscriber.notifications.on(CHANNEL, (payload?: string) => {
    onSound()
    if (payload === undefined) onWake()
  })
  connect().catch(() => {
    if (ended) return
    dead = true
    hangUp()
    onDead()
  })
  return {
    echo() {
      if (!echoing) echo().catch(() => undefined)
    },
    dead: () => dead,
    hangUp,
  }
}
