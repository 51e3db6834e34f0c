import { type Case, expect, type Told } from '../case.ts'
import type { Target } from '../target.ts'
import { chunks, lengths } from './framing-bodies.ts'
import { headerFields, requestLines } from './framing-heads.ts'
import { type Bytes, HEAD, BODY, TAKEN, withHeaders } from './framing-parts.ts'

const OPEN_MS = 200

function* connections(): Generator<Bytes> {
  const keep = `POST /in HTTP/1.1\r\nHost: here\r\n${BODY}`
  for (const count of [2, 3, 10, 50])
    yield {
      what: `${count} in a row`,
      bytes: keep.repeat(count - 1) + HEAD + BODY,
      want: Array.from({ length: count }, () => [202]),
    }
  yield { what: 'a good one, then none', bytes: `${keep}garbage\r\n\r\n`, want: [[202, 400]], open: true }
  yield { what: 'after Connection: close', bytes: `${HEAD}${BODY}${HEAD}${BODY}`, want: [[202, 400]] }
  yield { what: 'byte by byte', bytes: Array.from(withHeaders('X-A: b\r\n')), want: TAKEN }
  yield { what: 'Expect: 100-continue', bytes: withHeaders('Expect: 100-continue\r\n'), want: TAKEN }
  yield { what: 'Expect: something else', bytes: withHeaders('Expect: 200-ok\r\n'), want: [[417, 202, 400]] }
  yield {
    what: 'Upgrade: websocket',
    bytes: `${HEAD.replace('close', 'upgrade')}Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${BODY}`,
    want: [[202, 400, 426]],
    open: true,
  }
  yield {
    what: 'Upgrade: h2c',
    bytes: `${HEAD.replace('close', 'Upgrade, HTTP2-Settings')}Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n${BODY}`,
    want: [[202, 400, 426]],
    open: true,
  }
  for (const method of ['_method=DELETE', 'x'])
    yield {
      what: `method override ${method}`,
      bytes: withHeaders(`X-HTTP-Method-Override: ${method}\r\n`),
      want: TAKEN,
    }
  yield { what: 'HTTP/1.0', bytes: `POST /in HTTP/1.0\r\n${BODY}`, want: TAKEN }
  yield {
    what: 'HTTP/1.0 with chunks',
    bytes: `POST /in HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    want: [[400, 202]],
    open: true,
  }
  for (const at of [0, 1, 4, 10, 40, 80])
    yield {
      what: `cut off after ${at} bytes`,
      bytes: withHeaders('').slice(0, at),
      want: [[400, 0]],
      open: true,
    }
}

async function run(target: Target, { bytes, want, open = false }: Bytes): Promise<Told> {
  const parts = typeof bytes === 'string' || Buffer.isBuffer(bytes) ? [bytes] : bytes
  const replies = await target.sendRaw(parts, open ? { finishAfterMs: OPEN_MS } : {})
  const got = replies.map(({ status }) => status)
  const [first = []] = want
  const right =
    got.length === 0 ? first.includes(0) : got.every((status, i) => (want[i] ?? first).includes(status))
  const text = replies.map((reply) => reply.text()).join(' | ')
  expect(
    right,
    `expected ${want
      .map((each) => each.join(' or '))
      .slice(0, 3)
      .join(', ')}, got ${text || 'no answer'}`,
  )
  expect(
    want.length === 1 || got.length === want.length,
    `expected ${want.length} answers, got ${got.length}`,
  )
  const events = got.filter((status) => status === 202).length
  return { verdict: events > 0 ? 'accepted' : 'refused', events }
}

export const FRAMING: readonly Case[] = [requestLines, headerFields, lengths, chunks, connections].flatMap(
  (make) =>
    [...make()].map((bytes) => ({
      id: `framing/${make.name}/${bytes.what}`,
      run: (target: Target) => run(target, bytes),
    })),
)
