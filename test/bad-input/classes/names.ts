import { accepted, ANSWERED, type Case, expectEqual, refused, type Told } from '../case.ts'
import { NAUGHTY, segment } from '../strings.ts'
import type { Target } from '../target.ts'
import { keyOf, isKey } from './upload-keys.ts'
import { eventOf, type Stored } from '../stored.ts'

/** A place where a sender may put a name, and what must become of it. */
interface Place {
  readonly name: string
  /** `unique` tells this case from all others, for places where a name would otherwise be a duplicate. */
  readonly run: (target: Target, text: string, unique: string) => Promise<Told>
}

/** As a header's value: without the white space around it, and up to a line end, where the next header begins. */
const asHeader = (text: string): string => (text.split('\r\n')[0] ?? '').replace(/^[ \t]+|[ \t]+$/g, '')
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/
const JSON_TYPE = { 'content-type': 'application/json' }
const noControls = (text: string): boolean => !/[\p{Cc}\p{Cs}]/u.test(text)
const isAttribute = (text: string): boolean => text !== '' && text.length <= 1_024 && noControls(text)
const isQueue = (text: string): boolean => /^[^\p{C}\p{Z}]{1,}$/u.test(text) && text.length <= 200

async function stored(
  target: Target,
  reply: Parameters<typeof accepted>[0],
  look: (event: Stored) => unknown,
  wanted: unknown,
): Promise<Told> {
  const told = accepted(reply)
  expectEqual(look(await eventOf(target, reply)), wanted, 'what was stored')
  return told
}

const attribute = (name: 'id' | 'source' | 'type' | 'subject'): Place => ({
  name: `CloudEvent ${name}`,
  async run(target, text, unique) {
    const event = { specversion: '1.0', id: unique, source: `/test/${unique}`, type: 'jobs', [name]: text }
    const headers = { 'content-type': 'application/cloudevents+json' }
    const reply = await target.admin({ path: '/_tappet/events', headers, body: JSON.stringify(event) })
    if (!isAttribute(text)) return refused(reply, 422)
    const of = { id: 'event_id', source: 'source', subject: 'subject' } as const
    const look = (found: Stored): unknown =>
      name === 'type' ? found.payload.message?.queue : found[of[name]]
    return stored(target, reply, look, text)
  },
})

const binaryAttribute = (name: 'id' | 'subject'): Place => ({
  name: `CloudEvent header ce-${name}`,
  async run(target, text, unique) {
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': unique,
      'ce-source': `/b/${unique}`,
      'ce-type': 'jobs',
    }
    const quoted = encodeURIComponent(text)
    const reply = await target.admin({
      path: '/_tappet/events',
      headers: { ...headers, ...JSON_TYPE, [`ce-${name}`]: quoted },
      body: '{}',
    })
    if (Buffer.byteLength(quoted) > 15_000) return refused(reply, 431)
    if (!isAttribute(text)) return refused(reply, 422)
    return stored(target, reply, (found) => (name === 'id' ? found.event_id : found.subject), text)
  },
})

const PLACES: readonly Place[] = [
  {
    name: 'path parameter',
    async run(target, text) {
      const reply = await target.send({ path: `/in/${segment(text)}`, body: '{}', headers: JSON_TYPE })
      if (text === '' || text.length > 1_024) return refused(reply, 404)
      return stored(target, reply, (event) => event.payload.request?.params['name'], text)
    },
  },
  {
    name: 'query value',
    async run(target, text) {
      const reply = await target.send({
        path: `/in?q=${encodeURIComponent(text)}`,
        body: '{}',
        headers: JSON_TYPE,
      })
      return stored(target, reply, (event) => event.payload.request?.query['q'], text)
    },
  },
  {
    name: 'query name',
    async run(target, text) {
      const reply = await target.send({
        path: `/in?${encodeURIComponent(text)}=v`,
        body: '{}',
        headers: JSON_TYPE,
      })
      const look = (event: Stored): unknown => Object.entries(event.payload.request?.query ?? {})
      return stored(target, reply, look, [[text, 'v']])
    },
  },
  {
    name: 'header value',
    async run(target, text) {
      const value = Buffer.from(text)
      const reply = await target.send({
        path: '/in',
        body: '{}',
        headers: { ...JSON_TYPE, 'x-naughty': value },
      })
      if (CONTROL.test(asHeader(text))) return refused(reply, 400)
      const kept = Buffer.from(asHeader(text)).toString('latin1')
      return stored(target, reply, (event) => event.payload.request?.headers['x-naughty'], kept)
    },
  },
  {
    name: 'JSON value',
    async run(target, text) {
      const reply = await target.send({ path: '/in', body: JSON.stringify({ text }), headers: JSON_TYPE })
      return stored(target, reply, (event) => event.payload.data, { text })
    },
  },
  {
    name: 'JSON name',
    async run(target, text) {
      const body = `{${JSON.stringify(text)}:1}`
      const reply = await target.send({ path: '/in', body, headers: JSON_TYPE })
      return stored(target, reply, (event) => Object.entries(event.payload.data as object), [[text, 1]])
    },
  },
  attribute('id'),
  attribute('source'),
  attribute('type'),
  attribute('subject'),
  binaryAttribute('id'),
  binaryAttribute('subject'),
  {
    name: 'queue',
    async run(target, text) {
      const path = `/_tappet/queues/${segment(text)}`
      const reply = await target.admin({ path, body: '1', headers: JSON_TYPE })
      if (text === '' || text.length > 1_024) return refused(reply, 404, 422)
      if (!isQueue(text)) return refused(reply, 422)
      return stored(target, reply, (event) => event.payload.message?.queue, text)
    },
  },
  {
    name: 'key of a message',
    async run(target, text, unique) {
      const path = `/_tappet/queues/keyed.${unique.replaceAll(/\W/g, '.')}?key=${encodeURIComponent(text)}`
      const reply = await target.admin({ path, body: '1', headers: JSON_TYPE })
      if (!isAttribute(text)) return refused(reply, 422)
      return stored(target, reply, (event) => event.event_id, text)
    },
  },
  {
    name: 'Idempotency-Key',
    async run(target, text) {
      const headers = { ...JSON_TYPE, 'idempotency-key': Buffer.from(text) }
      const reply = await target.send({ path: '/in', body: '{}', headers })
      const key = asHeader(text)
      if (!/^[\x21-\x7e]{1,255}$/.test(key)) return refused(reply, 400)
      return stored(target, reply, (event) => event.event_id, key)
    },
  },
  {
    name: 'function of an invocation',
    async run(target, text) {
      const path = `/_tappet/api/v1/functions/${segment(text)}/invoke`
      return refused(await target.admin({ path, body: '{}', headers: JSON_TYPE }), 404)
    },
  },
  {
    name: 'function as a filter',
    async run(target, text) {
      const path = `/_tappet/api/v1/runs?function=${encodeURIComponent(text)}`
      const reply = await target.admin({ method: 'GET', path })
      if (text === '' || Array.from(text).length > 200 || text.includes('\u0000')) return refused(reply, 422)
      accepted(reply)
      expectEqual(reply.json(), { runs: [], next: null, partial: false }, 'the list')
      return ANSWERED
    },
  },
  {
    name: 'page of a list',
    async run(target, text) {
      const path = `/_tappet/api/v1/runs?limit=1&before=${encodeURIComponent(`run_${text}`)}`
      const reply = await target.admin({ method: 'GET', path })
      if (Array.from(text).length > 96 || text.includes('\u0000')) return refused(reply, 422)
      accepted(reply)
      return ANSWERED
    },
  },
  {
    name: 'id of a run',
    async run(target, text) {
      return refused(await target.send({ method: 'GET', path: `/_tappet/runs/${segment(text)}` }), 404)
    },
  },
  {
    name: 'key of a file',
    async run(target, text) {
      const reply = await target.admin({
        method: 'PUT',
        path: `/_tappet/uploads/bad/names/${encodeURIComponent(text)}`,
        body: 'content',
      })
      if (!isKey(`bad/names/${text}`)) return refused(reply, 422)
      return stored(target, reply, (event) => event.subject, keyOf(`bad/names/${text}`))
    },
  },
]

export const NAMES: readonly Case[] = PLACES.flatMap(({ name, run }) =>
  NAUGHTY.map((text, i) => {
    const id = `names/${name}/${i}`
    return { id, run: (target: Target) => run(target, text, id) }
  }),
)
