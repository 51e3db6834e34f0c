import { ANSWERED, type Case, expect, REFUSED } from '../case.ts'
import type { Target } from '../target.ts'

/** Longest that anything here may hold a connection. */
const PATIENCE_MS = 55_000

interface Drip {
  readonly head: readonly string[]
  /** Sent again and again. */
  readonly drop: string
  readonly everyMs: number
}

const HEAD = 'POST /in HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n'
const withKey = (target: Target): string => `Authorization: Bearer ${target.key}\r\n`

const DRIPS: Readonly<Record<string, (target: Target) => Drip>> = {
  'a request line, a byte each 500 ms': () => ({ head: [], drop: 'P', everyMs: 500 }),
  'headers that never end': () => ({
    head: ['POST /in HTTP/1.1\r\nHost: here\r\n'],
    drop: 'X-A: b\r\n',
    everyMs: 500,
  }),
  'half of a header': () => ({
    head: ['POST /in HTTP/1.1\r\nHost: here\r\nX-A: b'],
    drop: '',
    everyMs: 1_000,
  }),
  'no body after its headers': () => ({
    head: [`${HEAD}Content-Length: 100\r\n\r\n`],
    drop: '',
    everyMs: 1_000,
  }),
  'a body, a byte each second': () => ({
    head: [`${HEAD}Content-Length: 1000\r\n\r\n`],
    drop: '1',
    everyMs: 1_000,
  }),
  'a chunked body, a chunk each second': () => ({
    head: [`${HEAD}Transfer-Encoding: chunked\r\n\r\n`],
    drop: '1\r\n1\r\n',
    everyMs: 1_000,
  }),
  'a chunk whose size never ends': () => ({
    head: [`${HEAD}Transfer-Encoding: chunked\r\n\r\n`],
    drop: '0',
    everyMs: 1_000,
  }),
  'CloudEvents, a byte each second': (target) => ({
    head: [
      `POST /_tappet/events HTTP/1.1\r\nHost: here\r\n${withKey(target)}Content-Type: application/cloudevents+json\r\nContent-Length: 1000\r\n\r\n`,
    ],
    drop: '{',
    everyMs: 1_000,
  }),
}

async function drip(target: Target, { head, drop, everyMs }: Drip): Promise<void> {
  const drops = Array.from({ length: Math.ceil(PATIENCE_MS / everyMs) }, () => drop)
  const started = performance.now()
  const replies = await target.sendRaw([...head, ...drops], { everyMs })
  const tookMs = performance.now() - started
  expect(tookMs < PATIENCE_MS, `expected an end within ${PATIENCE_MS} ms, it took ${Math.round(tookMs)}`)
  const statuses = replies.map(({ status }) => status)
  expect(
    statuses.every((status) => status === 408 || status === 400),
    `expected 408, got ${statuses.join()}`,
  )
}

/** Two of each at once; others are served meanwhile. */
export const SLOW: readonly Case[] = [
  ...Object.entries(DRIPS).flatMap(([what, of]) =>
    [1, 2].map((n) => ({
      id: `slow/${what} ${n}`,
      async run(target: Target) {
        await drip(target, of(target))
        return REFUSED
      },
    })),
  ),
  {
    id: 'slow/others meanwhile',
    async run(target) {
      for (let i = 0; i < 20; i++) {
        const started = performance.now()
        const reply = await target.send({ method: 'GET', path: '/healthz' })
        expect(reply.status === 200, `expected 200, got ${reply.text()}`)
        const tookMs = performance.now() - started
        expect(tookMs < 2_000, `others waited for ${Math.round(tookMs)} ms`)
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
      return ANSWERED
    },
  },
]
