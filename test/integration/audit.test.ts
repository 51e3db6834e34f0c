import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type AdminServer, KEY, startAdmin } from '../support/admin.ts'

interface Entry {
  readonly id: string
  readonly keyId: string
  readonly keyName: string
  readonly action: string
  readonly target: string
  readonly status: number
  readonly address: string
}

describe('the audit log', () => {
  const api = '/_tappet/api/v1'
  let admin: AdminServer
  before(async () => {
    admin = await startAdmin()
  })
  after(() => admin.close())

  const post = (path: string, body: object = {}, key = KEY) =>
    admin.request(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { authorization: `Bearer ${key}` },
    })
  const entries = async (query = ''): Promise<Entry[]> =>
    ((await admin.request(`${api}/audit${query}`)).body as { entries: Entry[] }).entries
  const last = async (): Promise<unknown[]> => {
    const [entry] = await entries('?limit=1')
    assert.match(entry?.id ?? '', /^aud_/)
    assert.match(entry?.address ?? '', /127\.0\.0\.1$/)
    return [entry?.keyName, entry?.action.replace(api, ''), entry?.target, entry?.status]
  }

  it('holds every change: whose, what, on what, and how it ended', async () => {
    const made = await post(`${api}/keys`, { name: 'ops', scopes: ['operate'] })
    const { id } = made.body.key as { id: string }
    assert.deepEqual(await last(), ['admin', 'POST /keys', id, 201])
    const ops = String(made.body.secret)
    const invoked = await post(`${api}/functions/mail/send`, { data: { fail: true, to: 'a' } }, ops)
    assert.deepEqual(await last(), ['ops', 'POST /functions/*', 'mail/send', invoked.status])
    assert.equal((await entries('?limit=1'))[0]?.keyId, id)
    await post(`${api}/runs/run_none/cancel`, {}, ops)
    assert.deepEqual(await last(), ['ops', 'POST /runs/:id/cancel', 'run_none', 404])
    await post(`${api}/runs/run_none/replay`, {}, ops)
    assert.deepEqual(await last(), ['ops', 'POST /runs/:id/replay', 'run_none', 404])
    await post(`${api}/dead/replay`, { function: 'orders/place' }, ops)
    assert.deepEqual(await last(), ['ops', 'POST /dead/replay', 'orders/place, 0 runs', 202])
    await post('/2015-03-31/functions/orders--place/invocations', {}, ops)
    assert.equal((await last())[1], 'POST /2015-03-31/functions/:name/invocations')
    await post(`${api}/keys`, { name: '' })
    assert.deepEqual(await last(), ['admin', 'POST /keys', '', 422])
    await post(`${api}/keys/${id}/revoke`)
    assert.deepEqual(await last(), ['admin', 'POST /keys/:id/revoke', id, 200])
  })

  it('holds no reads, no events, nobody without a key, and no secrets', async () => {
    const before = (await entries()).length
    for (const path of ['/status', '/runs', '/keys']) await admin.request(api + path)
    await post('/_tappet/queues/emails', { to: 'a' })
    await post(`${api}/keys`, { name: 'x', scopes: ['read'] }, 'nonsense')
    const all = await entries()
    assert.equal(all.length, before)
    assert.ok(!JSON.stringify(all).includes(KEY))
  })

  it('holds what a key was refused, once a minute for each route', async () => {
    const { body } = await post(`${api}/keys`, { name: 'viewer', scopes: ['read'] })
    const viewer = String(body.secret)
    const before = (await entries()).length
    for (const id of ['run_1', 'run_2'])
      assert.equal((await post(`${api}/runs/${id}/cancel`, {}, viewer)).status, 403)
    assert.deepEqual(await last(), ['viewer', 'POST /runs/:id/cancel', 'run_1', 403])
    const headers = { authorization: `Bearer ${viewer}` }
    assert.equal((await admin.request(`${api}/keys`, { headers })).status, 403)
    assert.deepEqual(await last(), ['viewer', 'GET /keys', '', 403])
    assert.equal((await post('/_tappet/queues/emails', { to: 'a' }, viewer)).status, 403)
    assert.equal((await last())[3], 403)
    assert.equal((await entries()).length, before + 3)
  })

  it('is read page by page', async () => {
    const all = await entries()
    const found: Entry[] = []
    for (let next: string | null = ''; next !== null;) {
      const { body } = await admin.request(`${api}/audit?limit=3${next && `&before=${next}`}`)
      found.push(...(body.entries as Entry[]))
      next = body.next as string | null
    }
    assert.deepEqual(found, all)
    for (const wrong of ['before=run_1', 'before=aud_%00', 'limit=0', 'who=me'])
      assert.equal((await admin.request(`${api}/audit?${wrong}`)).status, 422, wrong)
  })

  it('keeps targets that Postgres could not hold', async () => {
    await post(`${api}/runs/a%00b/cancel`)
    assert.equal((await last())[2], 'a\ufffdb')
    await post(`${api}/runs/${'x'.repeat(900)}/cancel`)
    assert.equal(String((await last())[2]).length, 300)
  })
})
