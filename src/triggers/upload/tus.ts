import { Server } from '@tus/server'
import { asTappetError, errorBody } from '../../api/error-body.ts'
import type { HttpReply, HttpRequest } from '../../api/server.ts'
import { TappetError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import type { Logger } from '../../lib/log.ts'
import type { Receiver } from './put.ts'
import { isObjectId } from './storage.ts'
import { createTusLocker, DRAIN_MS } from './tus-lock.ts'
import { createTusStore, toInfo } from './tus-store.ts'

/** Where resumable uploads are made and continued. */
export const TUS_PATH = '/_tappet/tus'

const MAX_METADATA_BYTES = 8_192

/** `POST`, `HEAD`, `PATCH` and `DELETE` of tus 1.0.0. */
export function createTusReceiver(
  receiver: Receiver,
  logger: Logger,
): (request: HttpRequest, reply: HttpReply) => Promise<void> {
  const { intake } = receiver
  const server = new Server({
    path: TUS_PATH,
    datastore: createTusStore(receiver),
    locker: createTusLocker(),
    lockDrainTimeout: DRAIN_MS,
    relativeLocation: true,
    respectForwardedHeaders: false,
    allowedOrigins: () => false,
    disableTerminationForFinishedUploads: true,
    namingFunction: () => newId('file'),
    getFileIdFromRequest: (_request, last) => (last !== undefined && isObjectId(last) ? last : undefined),
    async onUploadCreate(request, upload) {
      if ((request.headers.get('upload-metadata') ?? '').length > MAX_METADATA_BYTES)
        throw new TappetError(
          'TPT_REQUEST_INVALID',
          `Upload-Metadata must be at most ${MAX_METADATA_BYTES} bytes.`,
        )
      const { key, length } = toInfo(upload)
      intake.mostBytesOf(key, length)
      return {}
    },
    onResponseError(_request, error) {
      if ('status_code' in error) return undefined
      const known = asTappetError(error)
      if (known.code === 'TPT_INTERNAL') logger.error({ err: error }, 'a resumable upload failed')
      return { status_code: known.status, body: `${JSON.stringify(errorBody(known))}\n` }
    },
  })
  return async (request, reply) => {
    reply.hijack()
    await server.handle(request.raw, reply.raw)
  }
}
