import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** One connection that asks and waits for its answer: little code, so that the client is not what is measured. */
export interface HttpCaller {
  call(): Promise<void>
  close(): void
}

/** @throws when an answer has another status than 200 or 202. */
export async function openCaller(url: string, path: string, bytes: number): Promise<HttpCaller> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).setNoDelay()
  await once(socket, 'connect')
  const body = JSON.stringify({ text: 'x'.repeat(bytes - 12) })
  const request = Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  const answers = readAnswers(socket)
  return {
    call() {
      const answered = answers.next()
      socket.write(request)
      return answered
    },
    close: () => void socket.destroy(),
  }
}

function readAnswers(socket: Socket): { next(): Promise<void> } {
  let text = ''
  let settle: { resolve(): void; reject(error: Error): void } | null = null
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    if (!isWhole(text)) return
    const status = text.slice(9, 12)
    const answer = text
    text = ''
    if (status === '200' || status === '202') settle?.resolve()
    else settle?.reject(new Error(`expected 200 or 202, got ${answer.slice(0, 500)}`))
  })
  socket.once('close', () => settle?.reject(new Error('the server has closed the connection')))
  return { next: () => new Promise((resolve, reject) => (settle = { resolve, reject })) }
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return false
  const head = text.slice(0, end).toLowerCase()
  const length = head.match(/content-length: (\d+)/)?.[1]
  if (length !== undefined) return text.length >= end + 4 + Number(length)
  return head.includes('transfer-encoding: chunked') ? text.endsWith('0\r\n\r\n') : true
}
