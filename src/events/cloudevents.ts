import { TappetError } from '../errors.ts'
import { decodeUtf8, parseJson } from '../lib/json.ts'
import type { Issue } from '../lib/schema.ts'
import { type Attributes, type Check, kindOf, readAttributes } from './cloudevent-attributes.ts'
import type { Envelope } from './envelope.ts'
import { traceOf } from './trace.ts'

/** A CloudEvents 1.0 record that somebody sent. */
export interface CloudEvent extends Envelope, Attributes {
  /** `data` is the base64 of bytes that are neither JSON nor text. */
  readonly base64: boolean
}

export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** Most events in one batch. */
export const MAX_BATCH = 1_000

const STRUCTURED = 'application/cloudevents+json'
const BATCH = 'application/cloudevents-batch+json'
const MAX_ISSUES = 100

/**
 * The events of one HTTP request (names of headers in lower case), in any of the three content modes of the HTTP
 * binding. All are valid or none is returned. A missing `time` is `now`.
 *
 * @throws TappetError TPT_CONTENT_TYPE when it is not a CloudEvent at all, TPT_BODY_INVALID when the body cannot be
 *   read, TPT_EVENT_INVALID with the issues; their paths begin with the place in the batch.
 */
export function parseCloudEvents(
  headers: RequestHeaders,
  body: Uint8Array,
  now = new Date(),
): readonly CloudEvent[] {
  const issues: Issue[] = []
  const events = [...read(headers, body)].map(({ path, attributes, data }) => {
    const check = (name: string, message: string): void =>
      void issues.push({ path: `${path}/${name}`, message })
    const known = readAttributes(attributes, check, now)
    return { ...known, ...dataOf(data, known.datacontenttype, check) }
  })
  if (issues.length === 0) return events
  const first = issues.slice(0, 3).map(({ path, message }) => `${path} ${message}`)
  throw new TappetError('TPT_EVENT_INVALID', `not a valid CloudEvent 1.0: ${first.join('; ')}`, {
    issues: issues.slice(0, MAX_ISSUES),
  })
}

/** The structured JSON form of an event of ours. The noun of its kind (`request`, `change`, …) stays at home. */
export function toCloudEvent(envelope: Envelope): Readonly<Record<string, unknown>> {
  const { specversion, id, source, type, subject, time, data } = envelope
  return {
    specversion,
    id,
    source,
    type,
    ...(subject !== undefined && subject !== '' && { subject }),
    time,
    ...traceOf({ ...envelope }),
    ...(data !== undefined && { datacontenttype: 'application/json', data }),
  }
}

/** Attributes as they were sent, not yet checked, and the content as it was sent. */
interface Raw {
  readonly path: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly data: Content
}

type Content =
  | { readonly kind: 'none' }
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly attribute: 'data_base64' | null }
  | { readonly kind: 'invalid'; readonly attribute: string; readonly message: string }

function read(headers: RequestHeaders, body: Uint8Array): readonly Raw[] {
  const type = mediaType(headers['content-type'])
  if (type === STRUCTURED) return [structured(parseJson(body), '')]
  if (type === BATCH) return batch(parseJson(body))
  const binary = Object.keys(headers).some((name) => name.startsWith('ce-'))
  if (binary && !type.startsWith('application/cloudevents')) return [fromHeaders(headers, body)]
  throw new TappetError(
    'TPT_CONTENT_TYPE',
    `expected a CloudEvent: content-type ${STRUCTURED} or ${BATCH}, or any content type with the headers ` +
      `ce-specversion, ce-id, ce-source and ce-type; got content-type ${JSON.stringify(type)} without ce-* headers`,
  )
}

function batch(value: unknown): readonly Raw[] {
  if (!Array.isArray(value))
    throw new TappetError('TPT_BODY_INVALID', `expected an array, got ${kindOf(value)}`)
  if (value.length > MAX_BATCH) {
    throw new TappetError(
      'TPT_BODY_INVALID',
      `expected at most ${MAX_BATCH} events in a batch, got ${value.length}`,
    )
  }
  return value.map((event, index) => structured(event, `/${index}`))
}

function structured(value: unknown, path: string): Raw {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    const where = path === '' ? '' : ` at ${path}`
    throw new TappetError(
      'TPT_BODY_INVALID',
      `expected an event as a JSON object${where}, got ${kindOf(value)}`,
    )
  }
  const { data, data_base64: base64, ...attributes } = value as Record<string, unknown>
  return { path, attributes, data: structuredData(data, base64) }
}

function structuredData(data: unknown, base64: unknown): Content {
  const absent = base64 === undefined || base64 === null
  if (absent) return data === undefined ? { kind: 'none' } : { kind: 'value', value: data }
  if (data !== undefined && data !== null) {
    return { kind: 'invalid', attribute: 'data_base64', message: 'must not stand beside data' }
  }
  if (typeof base64 !== 'string' || base64.length % 4 !== 0 || !/^[A-Za-z\d+/]*={0,2}$/.test(base64)) {
    return { kind: 'invalid', attribute: 'data_base64', message: 'must be base64 with padding' }
  }
  return { kind: 'bytes', bytes: Buffer.from(base64, 'base64'), attribute: 'data_base64' }
}

/** Binary mode: attributes in `ce-*` headers, the body is the data. */
function fromHeaders(headers: RequestHeaders, body: Uint8Array): Raw {
  const attributes: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('ce-') && value !== undefined) attributes[name.slice(3)] = fromHeader(name, value)
  }
  const type = headers['content-type']
  if (type !== undefined) attributes['datacontenttype'] = type
  return {
    path: '',
    attributes,
    data: body.length === 0 ? { kind: 'none' } : { kind: 'bytes', bytes: body, attribute: null },
  }
}

/** Section 3.1.3.2 of the HTTP binding: first the quotes of older senders, then one round of percent-decoding. */
function fromHeader(name: string, value: string | readonly string[]): unknown {
  if (typeof value !== 'string') return value
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(value)
  const plain = quoted?.[1] === undefined ? value : quoted[1].replace(/\\(.)/g, '$1')
  const bytes = plain.replace(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  try {
    return decodeUtf8(Buffer.from(bytes, 'latin1'), true)
  } catch (error) {
    const issues = [{ path: `/${name.slice(3)}`, message: 'must be percent-encoded UTF-8' }]
    throw new TappetError('TPT_EVENT_INVALID', `header ${name} must be percent-encoded UTF-8`, {
      issues,
      cause: error,
    })
  }
}

function dataOf(content: Content, type: string | null, check: Check): Pick<CloudEvent, 'data' | 'base64'> {
  if (content.kind === 'invalid') check(content.attribute, content.message)
  if (content.kind === 'value') return { data: content.value, base64: false }
  if (content.kind !== 'bytes') return { data: null, base64: false }
  const media = mediaType(type ?? 'application/json')
  if (/^(application|text)\/json$|\+json$/.test(media))
    return { data: decoded(content, check, parseJson), base64: false }
  const text = /^text\/|\+xml$|^application\/(xml|x-www-form-urlencoded)$/.test(media)
  const foreign = /;\s*charset="?(?!utf-8|us-ascii)/i.test(type ?? '')
  if (text && !foreign) return { data: decoded(content, check, decodeUtf8), base64: false }
  return { data: Buffer.from(content.bytes).toString('base64'), base64: true }
}

type Decode = (bytes: Uint8Array) => unknown

/** A body that cannot be read is refused as such; the same inside of an event is an issue of that event. */
function decoded(
  { bytes, attribute }: Extract<Content, { kind: 'bytes' }>,
  check: Check,
  decode: Decode,
): unknown {
  if (attribute === null) return decode(bytes)
  try {
    return decode(bytes)
  } catch (error) {
    check(attribute, (error as Error).message)
    return null
  }
}

function mediaType(header: string | readonly string[] | undefined): string {
  return typeof header === 'string' ? (header.split(';')[0] ?? '').trim().toLowerCase() : ''
}
