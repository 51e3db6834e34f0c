import type { Failure } from '../../errors.ts'
import { decodeJson, encodeJson, FRAME, type Frame } from '../frames.ts'
import { toError } from '../handler/failure.ts'
import type { HostCalls, HostFile } from '../runtime.ts'
import type { Channel } from './channel.ts'

export interface RemoteHost extends HostCalls {
  onReply(frame: Frame): void
}

interface Pending {
  resolve(payload: Buffer): void
  reject(error: Error): void
}

/** The broker's calls as they look from a runner: each is a CALL and waits for its REPLY. */
export function createRemoteHost(channel: Channel): RemoteHost {
  const pending = new Map<number, Pending>()
  let lastId = 0
  const call = (header: object, payload?: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      lastId = (lastId + 1) >>> 0
      channel.send(FRAME.call, lastId, header, payload)
      pending.set(lastId, { resolve, reject })
    })
  return {
    async send({ data, ...message }, { runId }) {
      await call({ method: 'send', ...message, runId }, encodeJson(data))
    },
    async fileInfo(key) {
      return decodeJson(await call({ method: 'fileInfo', key })) as HostFile
    },
    fileRead: (id, start, end) => call({ method: 'fileRead', id, start, end }),
    onReply({ id, header, payload }) {
      const waiting = pending.get(id)
      pending.delete(id)
      if (header.ok === true) waiting?.resolve(payload)
      else waiting?.reject(toError(decodeJson(payload) as Failure))
    },
  }
}
