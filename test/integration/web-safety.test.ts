import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { AddressInfo } from 'node:net'
import { createServer, type HttpServer } from '../../src/api/server.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { type AdminServer, KEY, startAdmin } from '../support/admin.ts'
import { rawExchange } from '../support/http-client.ts'

const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])

describe('web safety', () => {
  let admin: AdminServer
  let port: number

  before(async () => {
    admin = await startAdmin()
    port = Number(new URL(admin.url).port)
  })
  after(() => admin.close())

  const ask = (first: string, headers: Readonly<Record<string, string>>, to = port): Promise<string> => {
    const all = { host: `127.0.0.1:${to}`, authorization: `Bearer ${KEY}`, connection: 'close', ...headers }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
    return rawExchange(to, [`${first} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`])
  }

  it('sends its headers with every answer of a system route, refusals too', async () => {
    const served = admin.routes.filter(({ url }) => url.startsWith('/_tappet') || url === '/metrics')
    assert.ok(served.length > 20)
    for (const { method, url } of [...served, { method: 'GET', url: '/_tappet/none' }]) {
      for (const authorization of [`Bearer ${KEY}`, 'none']) {
        // A stream ends when its reader goes, who here waits for its end.
        if (url.endsWith('/stream') && authorization !== 'none') continue
        const path = url.replace(/:\w+/g, 'x').replace('*', 'x')
        const answer = await ask(`${method} ${path}`, { authorization, 'content-length': '0' })
        const what = `${method} ${path}: ${answer.slice(0, 400)}`
        assert.match(answer, /^content-security-policy: default-src 'none'/im, what)
        assert.match(answer, /^x-content-type-options: nosniff/im, what)
        assert.match(answer, /^x-frame-options: DENY/im, what)
        assert.doesNotMatch(answer, /^access-control-allow-origin/im, what)
      }
    }
  })

  it('lets pages of other origins change nothing, even with a key', async () => {
    const change = 'POST /_tappet/api/v1/dead/replay'
    const own = `127.0.0.1:${port}`
    const refused = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${port + 1}` },
      { origin: `http://${own}.evil.example` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin: `http://${own}` },
    ]
    for (const headers of refused)
      assert.equal(
        statusOf(await ask(change, { ...headers, 'content-length': '0' })),
        403,
        JSON.stringify(headers),
      )
    const allowed = [
      {},
      { origin: `http://${own}` },
      { origin: `https://${own}` },
      { origin: 'https://tappet.example', 'sec-fetch-site': 'same-origin' },
    ]
    for (const headers of allowed)
      assert.equal(
        statusOf(await ask(change, { ...headers, 'content-length': '0' })),
        202,
        JSON.stringify(headers),
      )
    assert.equal(statusOf(await ask('GET /_tappet/api/v1/status', { origin: 'https://evil.example' })), 200)
  })

  describe('on loopback only', () => {
    let server: HttpServer
    let other: number

    before(async () => {
      server = createServer({ keys: [KEY], logger: silentLogger, loopbackOnly: true })
      server.get('/_tappet/x', { config: { scope: 'read' } }, async () => ({ ok: true }))
      server.get('/hooks', { config: { scope: 'public' } }, async () => ({ ok: true }))
      await server.listen({ host: '127.0.0.1', port: 0 })
      other = (server.server.address() as AddressInfo).port
    })
    after(() => server.close())

    it('refuses names that are not this machine’s', async () => {
      for (const host of ['evil.example', `evil.example:${other}`, '127.0.0.1.evil.example', '192.168.1.7'])
        assert.equal(statusOf(await ask('GET /_tappet/x', { host }, other)), 403, host)
      for (const host of [
        'localhost',
        `LOCALHOST:${other}`,
        `127.0.0.1:${other}`,
        `[::1]:${other}`,
        'a.localhost',
      ])
        assert.equal(statusOf(await ask('GET /_tappet/x', { host }, other)), 200, host)
      assert.equal(
        statusOf(await ask('GET /hooks', { host: 'tunnel.example' }, other)),
        200,
        'webhooks by a tunnel',
      )
      assert.equal(statusOf(await ask('GET /%5ftappet/x', { host: 'evil.example' }, other)), 403)
    })
  })
})
