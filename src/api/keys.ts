import * as z from 'zod'
import { SCOPES } from '../access/scopes.ts'
import { TappetError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { digestOf, newSecret } from '../lib/secret.ts'
import type { AdminDeps } from './deps.ts'
import { durationUpTo, limit } from './input.ts'
import { type Call, route } from './route.ts'
import { Key, next, text } from './schemas.ts'

const Creation = z.strictObject({
  name: z.string().regex(/^[^\p{C}]{1,100}$/u, 'must be 1 to 100 characters, none of them invisible'),
  scopes: z
    .array(z.enum(SCOPES, `must be some of ${SCOPES.join(', ')}`))
    .min(1, `must be some of ${SCOPES.join(', ')}`)
    .max(SCOPES.length),
  /** Default: it does not expire. */
  expiresIn: durationUpTo('3650d').optional(),
})

const Page = z.strictObject({
  before: z.string().startsWith('key_', 'must be the id of a key').max(100).optional(),
  limit: limit(500, 100),
})

export const keyRoutes = [
  route({
    method: 'GET',
    path: '/keys',
    scope: 'admin',
    tag: 'Keys',
    summary: 'Issued keys, newest first. The keys themselves are kept nowhere.',
    query: Page,
    answer: z.strictObject({ keys: z.array(Key), next }),
    async handle({ query: { before, limit: most } }, { keys }) {
      const found = await keys.list(most, before)
      return { keys: found, next: found.length === most ? (found.at(-1)?.id ?? null) : null }
    },
  }),
  route({
    method: 'POST',
    path: '/keys',
    scope: 'admin',
    tag: 'Keys',
    summary: 'Makes a key. The only answer in which it ever stands.',
    body: Creation,
    statuses: [201],
    answer: z.strictObject({ key: Key, secret: text }),
    handle: createKey,
  }),
  route({
    method: 'POST',
    path: '/keys/:id/revoke',
    scope: 'admin',
    tag: 'Keys',
    summary: 'Revokes a key: every process refuses it within a second.',
    answer: z.strictObject({ key: Key }),
    async handle({ params: { id = '' } }, { keys }) {
      const key = id.length > 100 || id.includes('\u0000') ? null : await keys.revoke(id)
      if (key) return { key }
      throw new TappetError('TPT_NOT_FOUND', `there is no key ${JSON.stringify(id.slice(0, 100))}`)
    },
  }),
]

async function createKey(
  { body: { name, scopes, expiresIn }, request, reply }: Call<unknown, z.output<typeof Creation>>,
  deps: AdminDeps,
): Promise<object> {
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
  void reply.header('cache-control', 'no-store')
  return { key, secret }
}
