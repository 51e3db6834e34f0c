import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createGuard } from '../../src/access/guard.ts'
import { createMemoryKeys } from '../../src/access/memory-keys.ts'
import { allows, type RouteScope, type Scope, SCOPES } from '../../src/access/scopes.ts'
import { createWrongKeys } from '../../src/access/wrong-keys.ts'
import { TappetError } from '../../src/errors.ts'
import { newId } from '../../src/lib/id.ts'
import { digestOf, isAmong, newSecret } from '../../src/lib/secret.ts'
import { type AdminServer, KEY, startAdmin } from '../support/admin.ts'
import { eventually } from '../support/eventually.ts'

/** What every route asks for. A route that is not here fails the test, as does one that is gone. */
const ROUTES: Readonly<Record<RouteScope, readonly string[]>> = {
  public: [
    ...['GET /healthz', 'GET /readyz', 'GET /_tappet/runs/:id'],
    ...[
      'GET /_tappet',
      'GET /_tappet/',
      'GET /_tappet/app.js',
      'GET /_tappet/app.css',
      'GET /_tappet/icon.svg',
    ],
  ],
  read: [
    ...['GET /metrics', 'GET /_tappet/uploads/*'],
    ...[
      ...['/status', '/overview', '/checks', '/errors', '/workers', '/openapi.json'],
      ...['/events', '/events/count', '/events/:id', '/triggers', '/logs', '/queues', '/scale'],
      ...['/functions', '/function-stats', '/functions/*'],
      ...['/runs', '/runs/count', '/runs/histogram', '/runs/:id', '/runs/:id/chain'],
      ...[
        '/dead',
        '/dead/groups',
        '/schedules',
        '/bulk',
        '/bulk/:id',
        '/stream',
        '/usage',
        '/uploads',
        '/uploads/unfinished',
        '/databases',
        '/alerts',
      ],
    ].map((path) => `GET /_tappet/api/v1${path}`),
    'GET /2015-03-31/functions',
    'GET /2015-03-31/functions/:name',
    'GET /2015-03-31/functions/:name/configuration',
  ],
  operate: [
    ...[
      ...['/functions/*', '/runs/:id/replay', '/runs/:id/cancel', '/dead/replay'],
      ...['/bulk', '/bulk/:id/stop', '/schedules/run', '/schedules/backfill', '/alerts/test'],
    ].map((path) => `POST /_tappet/api/v1${path}`),
    'POST /2015-03-31/functions/:name/invocations',
    'POST /2014-11-13/functions/:name/invoke-async',
    'POST /2021-11-15/functions/:name/response-streaming-invocations',
  ],
  ingest: [
    ...['POST /_tappet/events', 'POST /_tappet/queues/:queue'],
    ...['PUT /_tappet/uploads/*', 'POST /_tappet/uploads/*', 'POST /_tappet/uploads'],
    ...['POST', 'HEAD', 'PATCH', 'DELETE', 'OPTIONS'].flatMap((method) => [
      `${method} /_tappet/tus`,
      `${method} /_tappet/tus/*`,
    ]),
  ],
  admin: [
    'GET /_tappet/api/v1/audit',
    'GET /_tappet/api/v1/keys',
    'POST /_tappet/api/v1/keys',
    'POST /_tappet/api/v1/keys/:id/revoke',
  ],
}

describe('every route', () => {
  let admin: AdminServer
  const wanted = Object.entries(ROUTES).flatMap(([scope, routes]) =>
    routes.map((route) => [route, scope as RouteScope] as const),
  )

  before(async () => {
    admin = await startAdmin()
  })
  after(() => admin.close())

  const issue = async (scopes: readonly Scope[], expiresInMs: number | null = null) => {
    const [id, secret] = [newId('key'), newSecret()]
    await admin.keys.create({
      ...{ id, name: scopes.join(), digest: digestOf(secret), scopes, createdBy: 'test', expiresInMs },
    })
    return { id, secret }
  }
  const ask = async (route: string, key: string | null): Promise<Response> => {
    const [method = '', path = ''] = route.split(' ')
    const url = admin.url + path.replace(/:\w+/g, 'x').replace('*', 'x')
    const response = await fetch(url, {
      method,
      headers: key === null ? {} : { authorization: `Bearer ${key}` },
    })
    const endless = response.headers.get('content-type') === 'text/event-stream'
    await (endless ? response.body?.cancel() : response.arrayBuffer())
    return response
  }

  it('asks for the scope that it should, and there is no other route', () => {
    const found = admin.routes.map(({ method, url, scope }) => [`${method} ${url}`, scope])
    // Fastify answers HEAD wherever it answers GET.
    const heads = wanted.flatMap(([route, scope]) =>
      route.startsWith('GET ') ? [[route.replace('GET', 'HEAD'), scope]] : [],
    )
    assert.deepEqual(found.toSorted(), [...wanted, ...heads].toSorted())
  })

  it('lets in who has it, and nobody else', async () => {
    const revoked = await issue(['admin'])
    await admin.keys.revoke(revoked.id)
    const expired = await issue(['admin'], 1)
    await eventually(
      async () => (await admin.keys.list(500)).find(({ id }) => id === expired.id)?.state === 'expired',
      'the key to expire',
    )
    const none = [['none', null, 401]] as const
    const over = [
      ['revoked', revoked.secret, 401],
      ['expired', expired.secret, 401],
    ] as const
    const scoped = await Promise.all(
      SCOPES.map(async (scope) => [scope, (await issue([scope])).secret] as const),
    )
    for (const [route, scope] of wanted) {
      const held = scoped.map(
        ([name, key]) => [name, key, scope === 'public' || allows([name], scope) ? null : 403] as const,
      )
      const refused = scope === 'public' ? [] : [...none, ...over]
      for (const [name, key, status] of [...refused, ['bootstrap', KEY, null] as const, ...held]) {
        const response = await ask(route, key)
        if (status === null) assert.ok(![401, 403, 429].includes(response.status), `${route} ${name}`)
        // AWS has no 401 there, and its own form of errors.
        else if (route.includes(' /20')) assert.equal(response.status, 403, `${route} ${name}`)
        else {
          assert.equal(response.status, status, `${route} ${name}`)
          assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer/)
        }
      }
    }
  })

  it('makes, lists and revokes keys', async () => {
    const call = (path: string, body?: object) =>
      admin.request(`/_tappet/api/v1/keys${path}`, {
        ...(body && { method: 'POST', body: JSON.stringify(body) }),
      })
    const made = await call('', { name: 'ci', scopes: ['read', 'read'], expiresIn: '90d' })
    assert.equal(made.status, 201)
    assert.match(made.body.secret, /^tpt_[\w-]{43}$/)
    const { id } = made.body.key
    assert.deepEqual([made.body.key.scopes, made.body.key.createdBy], [['read'], 'admin'])
    const listed = await call('')
    assert.equal(listed.body.keys[0].id, id)
    assert.ok(!JSON.stringify(listed.body).includes(made.body.secret))
    const route = 'GET /_tappet/api/v1/status'
    assert.equal((await ask(route, made.body.secret)).status, 200)
    assert.equal((await call(`/${id}/revoke`, {})).body.key.state, 'revoked')
    const since = performance.now()
    await eventually(
      async () => (await ask(route, made.body.secret)).status === 401,
      'it to be refused',
      1_500,
    )
    assert.ok(performance.now() - since < 1_300)
    assert.equal((await call('/key_none/revoke', {})).status, 404)
    for (const wrong of [{}, { name: '' }, { name: 'x', scopes: [] }, { name: 'x', scopes: ['root'] }])
      assert.equal((await call('', wrong)).status, 422, JSON.stringify(wrong))
  })

  it('refuses unknown keys alike, then slows down who shows too many', async () => {
    const { secret } = await issue(['read'])
    const route = 'GET /_tappet/api/v1/status'
    assert.equal((await ask(route, secret)).status, 200)
    const statuses: number[] = []
    for (let i = 0; i < 30; i++) statuses.push((await ask(route, newSecret())).status)
    assert.deepEqual([...new Set(statuses)], [401, 429])
    assert.ok(statuses.indexOf(429) >= 15, String(statuses))
    assert.equal((await ask(route, 'nonsense')).headers.get('retry-after'), '3')
    assert.equal((await ask(route, secret)).status, 200, 'a key that was good before')
    assert.equal((await ask(route, KEY)).status, 200, 'the bootstrap key')
    assert.equal((await ask(route, null)).status, 401, 'no key is no guess')
  })
})

describe('the guard', () => {
  const asking = (key: string, address = '10.0.0.1') => ({ authorization: `Bearer ${key}`, address })

  it('says that the ledger is away rather than that a key is wrong', async () => {
    const secret = newSecret()
    const away = new TappetError('TPT_UNAVAILABLE', 'away')
    const keys = { ...createMemoryKeys(), use: () => Promise.reject(away) }
    const guard = createGuard(['bootstrap-key'], keys)
    for (let i = 0; i < 40; i++)
      await assert.rejects(guard.admit(asking(secret), 'read'), { code: 'TPT_UNAVAILABLE' })
    assert.equal((await guard.admit(asking('bootstrap-key'), 'admin')).id, 'admin')
  })

  it('asks the ledger once for all who ask at once, and not for what cannot be a key', async () => {
    const keys = createMemoryKeys()
    const secret = newSecret()
    const key = { id: newId('key'), name: 'a', scopes: ['read'] as const, createdBy: 'b', expiresInMs: null }
    await keys.create({ ...key, digest: digestOf(secret) })
    let asked = 0
    const counting = { ...keys, use: (digest: Buffer) => keys.use(digest).finally(() => asked++) }
    const guard = createGuard([], counting)
    await Promise.all(Array.from({ length: 10 }, () => guard.admit(asking(secret), 'read')))
    assert.equal(asked, 1)
    await assert.rejects(guard.admit(asking('short'), 'read'), { code: 'TPT_UNAUTHORIZED' })
    assert.equal(asked, 1)
  })
})

describe('wrong keys', () => {
  it('are counted by network, and forgiven with time', () => {
    let now = 0
    const wrong = createWrongKeys(() => now)
    const use = (address: string) =>
      Array.from({ length: 25 }, () => wrong.take(address)).filter(Boolean).length
    assert.equal(use('10.0.0.1'), 20)
    assert.equal(use('::ffff:10.0.0.1'), 0, 'the same address')
    assert.equal(use('10.0.0.2'), 20)
    assert.equal(use('2001:db8::1'), 20)
    assert.equal(use('2001:db8:0:0:ffff::2'), 0, 'the same /64')
    assert.equal(use('2001:db8:0:1::1'), 20)
    now += 6_000
    assert.equal(use('10.0.0.1'), 2)
    now += 3_000
    wrong.take('10.0.0.1')
    wrong.giveBack('10.0.0.1')
    assert.equal(use('10.0.0.1'), 1)
  })
})

describe('secrets', () => {
  it('are compared by digests of one length', () => {
    const known = ['a', 'bb', 'ccc'].map(digestOf)
    assert.ok(['a', 'bb', 'ccc'].every((text) => isAmong(digestOf(text), known)))
    assert.ok(['', 'aa', 'c'].every((text) => !isAmong(digestOf(text), known)))
    assert.equal(new Set(Array.from({ length: 100 }, newSecret)).size, 100)
  })
})
