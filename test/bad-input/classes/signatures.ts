import { randomUUID } from 'node:crypto'
import { accepted, ANSWERED, type Case, expect, expectEqual, refused, type Told } from '../case.ts'
import { eventOf } from '../stored.ts'
import type { Target } from '../target.ts'
import { ourSignature, type Signer, SIGNERS } from './signers.ts'

type Headers = Readonly<Record<string, string>>
type Change = (signed: Headers, signer: Signer) => Readonly<Record<string, string | readonly string[]>>

const nowS = (): number => Math.floor(Date.now() / 1_000)
/** Each run of a case is another delivery. */
const bodyOf = (): string => JSON.stringify({ id: `evt_${randomUUID()}`, text: 'ü \u2028 __proto__', n: 1.5 })
const JSON_TYPE = { 'content-type': 'application/json' }

/** The digest, written or sent otherwise. */
const digest =
  (change: (digest: string) => string | readonly string[]): Change =>
  (signed, { header }) => ({ ...signed, [header]: change(signed[header] ?? '') })

const TAMPERED: Readonly<Record<string, Change>> = {
  'no signature': (signed, { header }) =>
    Object.fromEntries(Object.entries(signed).filter(([name]) => name !== header)),
  'no headers at all': () => ({}),
  empty: digest(() => ''),
  'cut by one': digest((text) => text.slice(0, -1)),
  'cut in half': digest((text) => text.slice(0, text.length / 2)),
  'only its end': digest((text) => text.slice(-8)),
  'one longer': digest((text) => `${text}A`),
  'another last character': digest((text) => text.slice(0, -2) + (text.endsWith('A') ? 'BB' : 'AA')),
  'in the other case': digest((text) =>
    text.replace(/[a-zA-Z0-9+/=]{20,}$/, (end) => end.toLowerCase() + 'g'),
  ),
  zeros: digest((text) => text.replace(/[a-zA-Z0-9+/=]{20,}$/, (end) => '0'.repeat(end.length))),
  'sent twice': digest((text) => [text, text]),
  'sent after a wrong one': digest((text) => ['wrong', text]),
  'in quotes': digest((text) => `"${text}"`),
  'with a NUL escape': digest((text) => `${text}%00`),
  'another version': digest((text) => {
    const other = text.replace(/^v1,|^sha256=|v1=|^v0=/, 'v9=')
    return other === text ? `v9=${text}` : other
  }),
  'base64 for hex': digest((text) => Buffer.from(text.slice(-64), 'hex').toString('base64') || 'x'),
  'a list of 200 wrong ones': digest(() => Array.from({ length: 200 }, (_, i) => `v1,${i}`).join(' ')),
  'not ASCII': digest(() => 'é'.repeat(32)),
}

async function tampered(target: Target, signer: Signer, change: Change): Promise<Told> {
  const body = bodyOf()
  const signed = await signer.sign(body, { secret: signer.secret, id: randomUUID(), atS: nowS() })
  const headers = { ...JSON_TYPE, ...change(signed, signer) }
  return refused(await target.send({ path: signer.path, headers, body }), 401)
}

async function genuine(
  target: Target,
  signer: Signer,
  more: { secret?: string; ageS?: number } = {},
): Promise<Told> {
  const body = bodyOf()
  const { secret = signer.secret, ageS = 0 } = more
  const signed = await signer.sign(body, { secret, id: randomUUID(), atS: nowS() - ageS })
  const reply = await target.send({ path: signer.path, headers: { ...JSON_TYPE, ...signed }, body })
  if (Math.abs(ageS) > 300 || ![signer.secret, signer.oldSecret].includes(secret)) return refused(reply, 401)
  const told = accepted(reply)
  expectEqual((await eventOf(target, reply)).payload.data, JSON.parse(body), 'what was stored')
  return told
}

const BODIES: Readonly<Record<string, (body: string) => string>> = {
  'serialised again': (body) => JSON.stringify(JSON.parse(body), null, 1),
  'with a space more': (body) => `${body} `,
  'with a line end more': (body) => `${body}\n`,
  'with a byte order mark': (body) => `\ufeff${body}`,
  'without its end': (body) => body.slice(0, -1),
  'with another number': (body) => body.replace('1.5', '1.50'),
  'with escapes': (body) => body.replace('ü', '\\u00fc'),
  empty: () => '',
}

async function otherBody(target: Target, signer: Signer, change: (body: string) => string): Promise<Told> {
  const body = bodyOf()
  const signed = await signer.sign(body, { secret: signer.secret, id: randomUUID(), atS: nowS() })
  const headers = { ...JSON_TYPE, ...signed }
  return refused(await target.send({ path: signer.path, headers, body: change(body) }), 401)
}

/** The same delivery again: known where its id is signed or the body is its name. */
async function replayed(target: Target, signer: Signer): Promise<Told> {
  const body = bodyOf()
  const signed = await signer.sign(body, { secret: signer.secret, id: randomUUID(), atS: nowS() })
  const request = { path: signer.path, headers: { ...JSON_TYPE, ...signed }, body }
  const first = accepted(await target.send(request))
  const again = await target.send(request)
  const named = !['slack', 'hmac'].includes(signer.name)
  expectEqual(again.headers['tappet-duplicate'] === 'true', named, 'known as a duplicate')
  return { ...first, events: first.events + accepted(again).events }
}

async function encoded(target: Target, signer: Signer): Promise<Told> {
  const body = bodyOf()
  const signed = await signer.sign(body, { secret: signer.secret, id: randomUUID(), atS: nowS() })
  const headers = { ...JSON_TYPE, ...signed, 'content-encoding': 'gzip' }
  return refused(await target.send({ path: signer.path, headers, body }), 415)
}

/** The other way round: what we compute, the sender's own library takes; changed, it does not. */
async function theirVerifier(signer: Signer, good: boolean): Promise<Told> {
  const body = bodyOf()
  const headers = ourSignature(signer, body, { secret: signer.secret, id: randomUUID(), atS: nowS() })
  const taken = await signer.verify?.(good ? body : `${body} `, headers, signer.secret)
  expect(taken === good, `their verifier says ${String(taken)}`)
  return ANSWERED
}

function* casesOf(signer: Signer): Generator<Case> {
  const id = (what: string): string => `signatures/${signer.name}/${what}`
  const make = (what: string, run: Case['run']): Case => ({ id: id(what), run })
  for (const [what, change] of Object.entries(TAMPERED))
    yield make(what, (target) => tampered(target, signer, change))
  for (const [what, change] of Object.entries(BODIES))
    yield make(`body ${what}`, (target) => otherBody(target, signer, change))
  yield make('genuine', (target) => genuine(target, signer))
  yield make('genuine by the older secret', (target) => genuine(target, signer, { secret: signer.oldSecret }))
  const other = signer.secret.startsWith('whsec_')
    ? `whsec_${Buffer.alloc(24, 9).toString('base64')}`
    : 'nobody-knows-this-secret'
  yield make('another secret', (target) => genuine(target, signer, { secret: other }))
  yield make('sent again', (target) => replayed(target, signer))
  yield make('compressed', (target) => encoded(target, signer))
  // A second of room: the case and the server look at the clock at different times.
  const ages = signer.timed ? [-86_400, -3_600, -302, -298, -1, 1, 298, 302, 3_600, 86_400, 1e9] : []
  for (const ageS of ages) yield make(`${ageS} s old`, (target) => genuine(target, signer, { ageS }))
  if (!signer.verify) return
  yield make('their verifier takes ours', () => theirVerifier(signer, true))
  yield make('their verifier refuses another body', () => theirVerifier(signer, false))
}

export const SIGNATURES: readonly Case[] = SIGNERS.flatMap((signer) => [...casesOf(signer)])
