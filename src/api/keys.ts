import * as z from 'zod'
import { SCOPES } from '../access/scopes.ts'
import { TappetError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { digestOf, newSecret } from '../lib/secret.ts'
import type { AdminDeps } from './deps.ts'
import { durationUpTo, limit, readJson, readQuery } from './input.ts'
import type { HttpReply, HttpRequest } from './server.ts'

const Creation = z.strictObject({
  name: z.string().regex(/^[^\p{C}]{1,100}$/u, 'must be 1 to 100 characters, none of them invisible'),
  scopes: z
    .array(z.enum(SCOPES, `must be some of ${SCOPES.join(', ')}`))
    .min(1, `must be some of ${SCOPES.join(', ')}`)
    .max(SCOPES.length),
  /** Default: it does not expire. */
  expiresIn: durationUpTo('3650d').optional(),
})

/** The only answer in which a key ever stands. */
export async function createKey(request: HttpRequest, reply: HttpReply, deps: AdminDeps): Promise<HttpReply> {
  const { name, scopes, expiresIn } = await readJson(request, Creation)
  const secret = newSecret()
  const key = await deps.keys.create({
    id: newId('key'),
    name,
    digest: digestOf(secret),
    scopes: [...new Set(scopes)],
    createdBy: request.holder?.name ?? 'nobody',
    expiresInMs: expiresIn ?? null,
  })
  request.auditTarget = key.id
  return reply.code(201).header('cache-control', 'no-store').send({ key, secret })
}

const Page = z.strictObject({
  before: z.string().startsWith('key_', 'must be the id of a key').max(100).optional(),
  limit: limit(500, 100),
})

/** Newest first. `next` is the `before` of the page after this one; null at the end. */
export async function listKeys(request: HttpRequest, { keys }: AdminDeps): Promise<object> {
  const { before, limit: most } = readQuery(request, Page)
  const found = await keys.list(most, before)
  return { keys: found, next: found.length === most ? (found.at(-1)?.id ?? null) : null }
}

/** Every process refuses it within a second. */
export async function revokeKey(request: HttpRequest, { keys }: AdminDeps): Promise<object> {
  const { id } = request.params as { readonly id: string }
  const key = id.length > 100 || id.includes('\u0000') ? null : await keys.revoke(id)
  if (key) return { key }
  throw new TappetError('TPT_NOT_FOUND', `there is no key ${JSON.stringify(id.slice(0, 100))}`)
}
