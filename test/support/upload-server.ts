import type { AddressInfo } from 'node:net'
import { createServer } from '../../src/api/server.ts'
import type { Envelope } from '../../src/events/envelope.ts'
import { newId } from '../../src/lib/id.ts'
import { type Logger, silentLogger } from '../../src/lib/log.ts'
import type { Accepted, Emit, Subscription } from '../../src/triggers/trigger.ts'
import { createUploadAdapter, type UploadAdapter } from '../../src/triggers/upload/adapter.ts'
import { upload, type UploadTrigger } from '../../src/triggers/upload/declare.ts'
import type { UploadEvent } from '../../src/triggers/upload/event.ts'
import type { Files } from '../../src/triggers/upload/files.ts'
import type { Storage } from '../../src/triggers/upload/storage.ts'

export const KEY = 'test-key'
export const AUTHORIZED = { authorization: `Bearer ${KEY}` }

/** One pixel. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

/** Runs that were made, as the ledger would have it: an event that is known makes none. */
export interface Ledger {
  readonly emit: Emit
  readonly events: UploadEvent[]
  /** Function ids, in the order in which runs were made. */
  readonly runs: string[]
}

export function createLedger(before: (event: Envelope) => Promise<void> = async () => undefined): Ledger {
  const accepted = new Map<string, Accepted>()
  const events: UploadEvent[] = []
  const runs: string[] = []
  return {
    events,
    runs,
    async emit(event, subscriptions) {
      await before(event)
      const name = `${event.source} ${event.id}`
      const known = accepted.get(name)
      if (known) return { ...known, duplicate: true }
      const made = { eventId: newId('evt'), runIds: subscriptions.map(() => newId('run')), duplicate: false }
      accepted.set(name, made)
      events.push(event as UploadEvent)
      runs.push(...subscriptions.map(({ functionId }) => functionId))
      return made
    },
  }
}

export function subscribe(
  functionId: string,
  ...args: Parameters<typeof upload>
): Subscription<UploadTrigger> {
  const { schemas, ...trigger } = upload(...args)
  return { functionId, index: 0, trigger: { ...trigger, schemas: Object.keys(schemas) } }
}

export interface UploadServer {
  readonly url: string
  readonly port: number
  readonly adapter: UploadAdapter
  close(): Promise<void>
}

export interface UploadServerOptions {
  readonly storage: Storage
  readonly files: Files
  readonly emit: Emit
  readonly subscriptions: readonly Subscription<UploadTrigger>[]
  readonly port?: number
  readonly logger?: Logger
}

/** A real server on a loopback port with nothing but uploads on it. */
export async function startUploadServer(options: UploadServerOptions): Promise<UploadServer> {
  const { storage, files, emit, subscriptions, logger = silentLogger } = options
  const server = createServer({ keys: [KEY], logger })
  const adapter = createUploadAdapter({ server, storage, files, logger })
  await adapter.start(subscriptions, emit)
  await server.listen({ host: '127.0.0.1', port: options.port ?? 0 })
  const { port } = server.server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    adapter,
    async close() {
      await adapter.stop()
      await server.close()
    },
  }
}
