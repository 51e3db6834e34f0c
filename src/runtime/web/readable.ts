import type { Inflow } from './flow.ts'

/** A body as the web knows it. Asks for no more than its reader does. */
export function readableOf(inflow: Inflow, onCancel: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = await inflow.next()
        if (piece === null) controller.close()
        else controller.enqueue(piece)
      },
      cancel: onCancel,
    },
    { highWaterMark: 0 },
  )
}
