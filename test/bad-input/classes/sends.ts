import { type Case, expect, expectEqual, REFUSED, type Told } from '../case.ts'
import { NAUGHTY } from '../strings.ts'
import type { Target } from '../target.ts'
import { eventually } from '../../support/eventually.ts'

interface Sent {
  readonly queue?: unknown
  readonly data?: unknown
  readonly key?: unknown
  readonly delay?: unknown
}

interface Stored {
  readonly event_id: string
  readonly payload: string
}

const PATIENCE_MS = 20_000
const isQueue = (text: string): boolean => /^[^\p{C}\p{Z}]+$/u.test(text) && Array.from(text).length <= 200

/** `tappet.send` in SQL: refused by an error that rolls its transaction back, or an event soon. */
async function send(
  target: Target,
  { queue = 'jobs', data = '1', key = null, delay = '0' }: Sent,
): Promise<string | null> {
  try {
    const [row] = await target.sql<{ uid: string }>(
      'select tappet.send($1, $2::text, $3, $4::interval) as uid',
      [queue, data, key, delay],
    )
    return row?.uid ?? ''
  } catch (error) {
    const { code = '' } = error as { readonly code?: string }
    expect(/^22|^23|^54/.test(code), `expected the values to be refused, got ${code} ${String(error)}`)
    return null
  }
}

async function arrived(target: Target, queue: string, id: string): Promise<Stored> {
  const text = 'select event_id, payload::text from tappet.events where event_id = $1'
  const [stored] = await eventually(
    async () => {
      const rows = await target.sql<Stored>(text, [id])
      return rows.length > 0 ? rows : null
    },
    `the message ${id}`,
    PATIENCE_MS,
  )
  expect(stored !== undefined, `expected the message ${id}`)
  const { message } = JSON.parse(stored.payload) as { readonly message: { readonly queue: string } }
  expectEqual(message.queue, queue, 'the queue')
  return stored
}

const TAKEN: Told = { verdict: 'accepted', events: 1 }

function* naughty(): Generator<Case> {
  for (const [i, text] of NAUGHTY.entries()) {
    yield {
      id: `sends/queue ${i}`,
      async run(target) {
        const uid = await send(target, { queue: text })
        // Postgres and JavaScript differ in what is a space or a control of the further planes.
        if (uid === null) return (expect(!/^[\x21-\x7e]{1,200}$/.test(text), `refused ${text}`), REFUSED)
        expect(isQueue(text) || /[^\x20-\x7e]/.test(text), `took ${JSON.stringify(text)}`)
        await arrived(target, text, uid)
        return TAKEN
      },
    }
    yield {
      id: `sends/data ${i}`,
      async run(target) {
        const uid = await send(target, { data: JSON.stringify({ text }) })
        if (uid === null) return (expect(text.includes('\u0000'), `refused ${JSON.stringify(text)}`), REFUSED)
        const { payload } = await arrived(target, 'jobs', uid)
        expectEqual((JSON.parse(payload) as { data: unknown }).data, { text }, 'the data')
        return TAKEN
      },
    }
    yield { id: `sends/bare data ${i}`, run: (target) => bare(target, text) }
  }
}

/** What is no JSON is refused; what is, arrives as what it is. */
async function bare(target: Target, text: string): Promise<Told> {
  const parsed = ((): { readonly value: unknown } | null => {
    try {
      return { value: JSON.parse(text) as unknown }
    } catch {
      return null
    }
  })()
  const uid = await send(target, { data: text })
  expectEqual(uid !== null, parsed !== null, 'whether it is JSON')
  if (uid === null) return REFUSED
  const { payload } = await arrived(target, 'jobs', uid)
  const { data } = JSON.parse(payload) as { data: unknown }
  // A number that JavaScript has not is handed on as the text that it was.
  expectEqual(
    data,
    typeof parsed?.value === 'number' && data === text.trim() ? data : parsed?.value,
    'the data',
  )
  return TAKEN
}

const BAD: Readonly<Record<string, Sent>> = {
  'no queue': { queue: null },
  'no data': { data: null },
  'an empty text': { data: '' },
  'JSON that is cut': { data: '{"a":' },
  'two values': { data: '1 2' },
  'a negative delay': { delay: '-1 second' },
  'a delay of 366 days': { delay: '366 days' },
  'no delay': { delay: null },
  'an infinite delay': { delay: 'infinity' },
  'nested 100,000 deep': { data: `${'['.repeat(100_000)}${']'.repeat(100_000)}` },
}

export const SENDS: readonly Case[] = [
  ...naughty(),
  ...Object.entries(BAD).map(([what, sent]) => ({
    id: `sends/${what}`,
    async run(target: Target): Promise<Told> {
      expectEqual(await send(target, sent), null, 'the id')
      return REFUSED
    },
  })),
]
