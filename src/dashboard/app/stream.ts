import { key } from './api.ts'
import type { Run } from './types.ts'

/** What a stream tells of the runs that fit its filter. */
export interface Told {
  readonly runs: readonly Run[]
  /** Ids of runs that fit no more. */
  readonly gone: readonly string[]
}

export interface Listener {
  readonly onRuns: (told: Told) => void
  /** Something was missed: the list must be read again. */
  readonly onReset: () => void
  /** The server streams nothing of this filter, or nothing at all. */
  readonly onRefused: () => void
}

const AGAIN_MS = 2_000
/** A tab that nobody sees lets its stream go: browsers open six connections to a server, for all tabs together. */
const HIDDEN_MS = 5_000

/** Follows the runs of a filter until it is told to stop. By `fetch`, because `EventSource` sends no key. */
export function follow(q: string, listener: Listener): () => void {
  let from = ''
  let stopped = false
  let connection: AbortController | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  const connect = async (): Promise<void> => {
    connection = new AbortController()
    const { signal } = connection
    const query = new URLSearchParams({ q, ...(from !== '' && { from }) }).toString()
    const headers = { authorization: `Bearer ${key.value ?? ''}` }
    const response = await fetch(`api/v1/stream?${query}`, { headers, signal })
    if (!response.ok || response.body === null) {
      stopped = response.status < 500
      if (stopped) listener.onRefused()
      return
    }
    // Whatever changed before the stream began is in no message of it.
    if (from === '') listener.onReset()
    for await (const message of messagesOf(response.body)) {
      if (message.id !== '') from = message.id
      if (message.event === 'reset') listener.onReset()
      if (message.event === 'runs') listener.onRuns(JSON.parse(message.data) as Told)
    }
  }
  const keep = (): void => {
    connect()
      .catch(() => undefined)
      .finally(() => {
        connection = null
        if (!stopped && !document.hidden) timer = setTimeout(keep, AGAIN_MS)
      })
  }
  const onSeen = (): void => {
    clearTimeout(timer)
    if (document.hidden) timer = setTimeout(() => connection?.abort(), HIDDEN_MS)
    else if (connection === null && !stopped) keep()
  }
  document.addEventListener('visibilitychange', onSeen)
  keep()
  return () => {
    stopped = true
    clearTimeout(timer)
    connection?.abort()
    document.removeEventListener('visibilitychange', onSeen)
  }
}

interface Message {
  readonly event: string
  readonly id: string
  readonly data: string
}

/** Server-sent events: HTML Living Standard, 9.2.6. */
async function* messagesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Message> {
  const reader = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader()
  let text = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    text += value
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(text.slice(0, end).split('\n').map(fieldOf))
      text = text.slice(end + 2)
      const [event = '', id = '', data = ''] = ['event', 'id', 'data'].map((name) => fields.get(name) ?? '')
      if (event !== '') yield { event, id, data }
    }
  }
}

function fieldOf(line: string): [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')]
}
