import type { HttpServer } from '../../api/server.ts'
import { TappetError } from '../../errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { HostFile } from '../../runtime/runtime.ts'
import type { Emit, Subscription, TriggerAdapter } from '../trigger.ts'
import type { UploadTrigger } from './declare.ts'
import { sendFile } from './download.ts'
import type { Files } from './files.ts'
import { createIntake } from './intake.ts'
import { receiveForm } from './multipart.ts'
import { receivePut, UPLOADS_PATH } from './put.ts'
import { type Recovery, startRecovery } from './recovery.ts'
import { compileRoutes } from './routing.ts'
import type { Storage } from './storage.ts'
import { createTusReceiver, TUS_PATH } from './tus.ts'

export interface UploadAdapterDeps {
  /** Not listening yet: routes are added to it. */
  readonly server: HttpServer
  readonly storage: Storage
  readonly files: Files
  readonly logger: Logger
}

export interface UploadAdapter extends TriggerAdapter<UploadTrigger> {
  /** The newest file of a key; null if there is none. */
  file(key: string): Promise<HostFile | null>
  /** Bytes `start` to `end` (exclusive) of a stored file, at most 1 MiB of them. Rejects with TPT_NOT_FOUND. */
  read(id: string, start: number, end: number): Promise<Buffer>
  /** What has not come in full, those that were begun last first: of this process's storage, at most so many. */
  unfinished(most: number): Promise<readonly UnfinishedUpload[]>
}

export interface UnfinishedUpload {
  /** `file_…`; of one that can be resumed, the last part of its tus URL. */
  readonly id: string
  readonly key: string
  readonly filename: string | null
  /** Bytes that have come. */
  readonly offset: number
  /** Bytes that were declared; null: its sender did not say. */
  readonly length: number | null
  /** Whether its sender may go on later (tus); others are over when their connection is. */
  readonly resumable: boolean
  /** When bytes came last. */
  readonly touchedAt: Date
}

const MAX_READ_BYTES = 1_048_576

/** Takes files by PUT, by form and by tus, keeps them, gives them out again, and makes an event of each. */
export function createUploadAdapter({ server, storage, files, logger }: UploadAdapterDeps): UploadAdapter {
  let routing = compileRoutes([])
  let emit: Emit | null = null
  let stopping = false
  let recovery: Recovery | null = null
  const intake = createIntake({
    files,
    logger,
    current() {
      if (stopping)
        throw new TappetError('TPT_SHUTDOWN', 'This process is stopping and takes no more uploads.')
      if (!emit)
        throw new TappetError('TPT_UNAVAILABLE', 'Uploads are not taken yet: this process is starting.')
      return { routes: routing.routes, emit }
    },
    onUnannounced: (stored) => recovery?.retry(stored),
  })
  addRoutes({ server, storage, files, logger }, intake)

  return {
    kind: 'upload',
    async start(subscriptions: readonly Subscription<UploadTrigger>[], emitEvent) {
      routing = compileRoutes(subscriptions)
      emit = emitEvent
      recovery = startRecovery({ storage, files, intake, logger })
    },
    async update(subscriptions) {
      routing = compileRoutes(subscriptions)
    },
    problems: () => routing.problems,
    async stop() {
      stopping = true
      await recovery?.stop()
      await intake.settled()
    },
    async file(key) {
      const file = await files.byKey(key.normalize('NFC'))
      if (!file) return null
      const { id, size, contentType, sha256 } = file
      return { id, key: file.key, size, contentType, sha256 }
    },
    async read(id, start, end) {
      const content = await storage.read(id, { start, end: Math.min(end, start + MAX_READ_BYTES) })
      return Buffer.concat((await content.toArray()) as Buffer[])
    },
    async unfinished(most) {
      const drafts = await storage.drafts(most)
      return drafts.map(({ id, size, touchedAt, info: { key, filename, length, metadata } }) => ({
        ...{ id, key, filename, offset: size, length, resumable: metadata !== null, touchedAt },
      }))
    },
  }
}

function addRoutes(
  { server, storage, files, logger }: UploadAdapterDeps,
  intake: ReturnType<typeof createIntake>,
): void {
  const receiver = { storage, intake }
  const tus = createTusReceiver(receiver, logger)
  const file = `${UPLOADS_PATH}*`
  const taking = { scope: 'ingest' } as const
  server.route({
    method: 'PUT',
    url: file,
    config: taking,
    handler: (request, reply) => receivePut(request, reply, receiver),
  })
  for (const url of [file, UPLOADS_PATH.slice(0, -1)])
    server.route({
      method: 'POST',
      url,
      config: taking,
      handler: (request, reply) => receiveForm(request, reply, receiver),
    })
  server.route({
    method: ['GET', 'HEAD'],
    url: file,
    config: { scope: 'read' },
    handler: (request, reply) => sendFile(request, reply, { storage, files }),
  })
  for (const url of [TUS_PATH, `${TUS_PATH}/*`])
    server.route({
      method: ['POST', 'HEAD', 'PATCH', 'DELETE', 'OPTIONS'],
      url,
      config: taking,
      handler: tus,
    })
}
