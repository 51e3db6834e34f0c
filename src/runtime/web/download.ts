import { type Failure, TappetError, toFailure } from '../../errors.ts'
import type { Mask } from '../../lib/mask.ts'
import { decodeJson, FRAME, type Frame } from '../frames.ts'
import type { Settled, WebResponse } from '../runtime.ts'
import { createInflow, type Inflow } from './flow.ts'
import { readHead } from './head.ts'

/** A response on its way from a function's process to its caller. */
export interface Download {
  /** @throws RangeError for what no runner of ours says: nothing more it says can be believed. */
  take(frame: Frame): void
  /** Nobody wants it any more. */
  cancel(): void
  /** The call has ended: what has not come of it will not come. */
  over(settled: Settled): void
  /** Of its body, so far. */
  bytes(): number
}

/** `credit` tells the process how much more of the body may come. */
export function openDownload(response: WebResponse, mask: Mask, credit: (bytes: number) => void): Download {
  const inflow = createInflow(credit)
  let bytes = 0
  let headed = false
  let ended = false
  const end = (failure: Failure | null): void => {
    ended = true
    inflow.end(failure ?? (headed ? null : invalid('the function ended without a response')))
  }
  const begin = (frame: Frame): void => {
    const head = readHead(frame)
    if (head === null) return end(invalid('the function returned a malformed response'))
    headed = true
    response.head(head.status, head.headers)
  }
  const add = ({ payload }: Frame): void => {
    if (!headed) throw new RangeError('the body of a response must follow its head')
    bytes += payload.length
    inflow.push(payload)
  }
  void passOn(inflow, response)
  return {
    take(frame) {
      if (frame.type === FRAME.head) begin(frame)
      else if (frame.type === FRAME.responseChunk) add(frame)
      else if (frame.type === FRAME.responseEnd) end(readEnd(frame, mask))
    },
    cancel: inflow.cancel,
    over(settled) {
      // At once: who reads slowly must not hold up a response that breaks off.
      if (!ended)
        response.fail(settled.ok ? invalid('the function ended without a response') : settled.failure)
      inflow.end(null)
    },
    bytes: () => bytes,
  }
}

async function passOn(inflow: Inflow, response: WebResponse): Promise<void> {
  try {
    for (let piece = await inflow.next(); piece !== null; piece = await inflow.next())
      await response.write(piece)
    response.end()
  } catch (error) {
    response.fail(toFailure(error))
  }
}

/** Null for a response that is whole. */
function readEnd({ header, payload }: Frame, mask: Mask): Failure | null {
  return header.ok === true ? null : mask.json(decodeJson(payload) as Failure)
}

function invalid(message: string): Failure {
  return toFailure(new TappetError('TPT_RESULT_INVALID', message))
}
