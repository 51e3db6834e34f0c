import { toFailure } from '../errors.ts'
import { decodeJson, encodeJson, type Frame } from './frames.ts'
import type { Reply } from './instance.ts'
import type { HostCalls, HostMessage } from './runtime.ts'

/** Answers what a function asks of the broker. Never rejects. */
export async function replyTo(frame: Frame, host: HostCalls, functionId: string): Promise<Reply> {
  try {
    return { ok: true, payload: await callHost(frame, host, functionId) }
  } catch (error) {
    return { ok: false, payload: encodeJson({ ...toFailure(error), stack: null }) }
  }
}

async function callHost({ header, payload }: Frame, host: HostCalls, functionId: string): Promise<Buffer> {
  switch (header.method) {
    case 'send': {
      const { queue, key, delayMs, trace, runId } = header as unknown as HostMessage & {
        readonly runId: string
      }
      await host.send({ queue, data: decodeJson(payload), key, delayMs, trace }, { functionId, runId })
      return Buffer.alloc(0)
    }
    case 'fileInfo':
      return encodeJson(await host.fileInfo(String(header.key)))
    case 'fileRead':
      return host.fileRead(String(header.id), Number(header.start), Number(header.end))
    default:
      throw new TypeError(`expected a method of the host, got ${String(header.method)}`)
  }
}
