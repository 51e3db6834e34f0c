import { type Case, REFUSED, refused, type Told } from '../case.ts'
import type { Target } from '../target.ts'
import type { Request } from '../wire.ts'

const API = '/_tappet/api/v1'
/** Every route that needs a key. */
const ROUTES: readonly (readonly [string, string])[] = [
  ['GET', `${API}/status`],
  ['GET', `${API}/functions`],
  ['POST', `${API}/functions/open/invoke`],
  ['GET', `${API}/runs`],
  ['GET', `${API}/runs/run_x`],
  ['POST', `${API}/runs/run_x/replay`],
  ['POST', `${API}/runs/run_x/cancel`],
  ['GET', `${API}/dead`],
  ['POST', `${API}/dead/replay`],
  ['GET', `${API}/schedules`],
  ['GET', '/metrics'],
  ['POST', '/_tappet/events'],
  ['POST', '/_tappet/queues/jobs'],
  ['PUT', '/_tappet/uploads/bad/auth/a'],
  ['POST', '/_tappet/uploads'],
  ['POST', '/_tappet/uploads/bad/auth'],
  ['GET', '/_tappet/uploads/bad/auth/a'],
  ['HEAD', '/_tappet/uploads/bad/auth/a'],
  ['POST', '/_tappet/tus'],
  ['HEAD', '/_tappet/tus/file_x'],
  ['PATCH', '/_tappet/tus/file_x'],
  ['DELETE', '/_tappet/tus/file_x'],
  ['POST', '/2015-03-31/functions/open/invocations'],
  ['POST', '/2014-11-13/functions/open/invoke-async'],
  ['POST', '/2021-11-15/functions/open/response-streaming-invocations'],
  ['GET', '/2015-03-31/functions'],
  ['GET', '/2015-03-31/functions/open'],
  ['GET', '/2015-03-31/functions/open/configuration'],
]

type Attempt = (key: string) => Partial<Request> & { readonly query?: string }
const authorization = (value: string): Partial<Request> => ({ headers: { authorization: value } })

const ATTEMPTS: Readonly<Record<string, Attempt>> = {
  'no key': () => ({}),
  'an empty header': () => authorization(''),
  'Bearer alone': () => authorization('Bearer'),
  'an empty Bearer': () => authorization('Bearer '),
  'a wrong key': () => authorization('Bearer wrong-key-of-more-than-twenty-characters'),
  'the key, cut': (key) => authorization(`Bearer ${key.slice(0, -1)}`),
  'the key, longer': (key) => authorization(`Bearer ${key}x`),
  'the key in capitals': (key) => authorization(`Bearer ${key.toUpperCase()}`),
  'the key twice': (key) => authorization(`Bearer ${key} ${key}`),
  'the key in a list': (key) => authorization(`Bearer x, Bearer ${key}`),
  'the key in quotes': (key) => authorization(`Bearer "${key}"`),
  'the key without Bearer': (key) => authorization(key),
  Basic: (key) => authorization(`Basic ${Buffer.from(`:${key}`).toString('base64')}`),
  Token: (key) => authorization(`Token ${key}`),
  'Bearer=': (key) => authorization(`Bearer=${key}`),
  'in x-api-key': (key) => ({ headers: { 'x-api-key': key } }),
  'in a cookie': (key) => ({ headers: { cookie: `key=${key}; authorization=Bearer ${key}` } }),
  'in the query': (key) => ({ query: `?key=${key}&authorization=Bearer%20${key}&access_token=${key}` }),
  'in proxy-authorization': (key) => ({ headers: { 'proxy-authorization': `Bearer ${key}` } }),
  '10 KB': () => authorization(`Bearer ${'k'.repeat(10_000)}`),
  undefined: () => authorization('Bearer undefined'),
  'a wildcard': () => authorization('Bearer *'),
}

/** Who tries many wrong keys is told to wait: each comes from an address of its own. */
const addressOf = (n: number): string => `127.1.${Math.floor(n / 250)}.${1 + (n % 250)}`

async function run(
  target: Target,
  [method, path]: readonly [string, string],
  attempt: Attempt,
  from: string,
): Promise<Told> {
  const { headers = {}, query = '' } = attempt(target.key)
  const body = method === 'POST' || method === 'PUT' || method === 'PATCH' ? { body: '{}' } : {}
  const typed = { 'content-type': 'application/json', ...headers }
  const reply = await target.send({ method, path: path + query, headers: typed, from, ...body })
  // Lambda's clients know 403, and have words of their own.
  if (path.startsWith('/20') && reply.status === 403) return REFUSED
  return refused(reply, 401)
}

export const AUTH: readonly Case[] = ROUTES.flatMap((route, r) =>
  Object.entries(ATTEMPTS).map(([what, attempt], a) => ({
    id: `auth/${route.join(' ')}/${what}`,
    run: (target) => run(target, route, attempt, addressOf(r * Object.keys(ATTEMPTS).length + a)),
  })),
)
