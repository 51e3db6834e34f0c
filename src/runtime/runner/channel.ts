import { Socket } from 'node:net'
import { createDecoder, createFrameWriter, type Frame, type FrameWriter } from '../frames.ts'

/** The runner's end of the socket to the broker. */
export type Channel = Pick<FrameWriter, 'send' | 'sendNow'>

const BROKER_FD = 3

/** Exits when the broker closes its end, or is gone. What a process says last is not lost with it. */
export function openChannel(onFrame: (frame: Frame) => void): Channel {
  const socket = new Socket({ fd: BROKER_FD, readable: true, writable: true })
  const writer = createFrameWriter((bytes) => socket.write(bytes))
  const gone = (): never => process.exit(0)
  socket.on('data', createDecoder(onFrame)).on('end', gone).on('error', gone).on('close', gone)
  process.on('exit', () => writer.flush())
  return writer
}
