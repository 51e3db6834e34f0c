import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import { callOut, isPublicAddress } from '../../src/lib/outgoing.ts'

const servers: Server[] = []

async function serve(listener: RequestListener): Promise<{ url: string; host: string }> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', () => done()))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url: `http://${host}/`, host }
}

after(() => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
})

describe('addresses', () => {
  const inside = [
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1'],
    ...[
      '172.31.255.255',
      '192.0.0.1',
      '192.168.1.1',
      '198.18.0.1',
      '224.0.0.1',
      '240.0.0.1',
      '255.255.255.255',
    ],
    ...['::', '::1', 'fe80::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1', '64:ff9b::a00:1', '64:ff9b:1::1'],
    ...[
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '::127.0.0.1',
      '2002:7f00:1::',
      '2001:0:1::',
      '2001:db8::1',
      '3fff::1',
    ],
    ...['', 'localhost', '127.1', '1.2.3.4.5'],
  ]
  const outside = ['1.1.1.1', '8.8.8.8', '172.32.0.1', '100.128.0.1', '198.20.0.1', '223.255.255.255']
  for (const address of inside)
    it(`${JSON.stringify(address)} is not public`, () => assert.ok(!isPublicAddress(address)))
  for (const address of [...outside, '2606:4700:4700::1111', '2a00:1450::1'])
    it(`${address} is public`, () => assert.ok(isPublicAddress(address)))
})

describe('a call out', () => {
  const targets = [
    ...[
      'http://127.0.0.1/',
      'http://2130706433/',
      'http://0177.0.0.1/',
      'http://0x7f.1/',
      'http://127.1/',
      'http://0/',
    ],
    ...[
      'http://localhost/',

      'http://[::1]/',
      'http://[::ffff:127.0.0.1]/',
      'http://[::]/',
    ],
    ...[
      'http://[::ffff:a9fe:a9fe]/',
      'http://169.254.169.254/latest/meta-data',
      'https://10.0.0.1/',
      'http://①②⑦.0.0.1/',
    ],
    ...[
      'file:///etc/passwd',
      'gopher://1.1.1.1/',
      'ftp://1.1.1.1/',
      'http://user:secret@1.1.1.1/',
      'nonsense',
      '',
    ],
  ]
  for (const target of targets)
    it(`to ${JSON.stringify(target)} is refused`, async () => {
      await assert.rejects(callOut(target), { code: 'TPT_OUTGOING_REFUSED' })
    })

  it('goes to an allowed host, with its body and headers', async () => {
    const { url, host } = await serve((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      request.on('end', () => response.end(`${request.method} ${String(request.headers['x-a'])} ${body}`))
    })
    const answer = await callOut(url, {
      method: 'POST',
      headers: { 'x-a': 'b' },
      body: 'c',
      allowHosts: [host],
    })
    assert.deepEqual([answer.status, String(answer.body)], [200, 'POST b c'])
    await assert.rejects(callOut(url, { allowHosts: ['other'] }), { code: 'TPT_OUTGOING_REFUSED' })
  })

  it('connects to the address that was checked, whatever the name says a moment later', async () => {
    const { host } = await serve((_request, response) => response.end('here'))
    const name = `rebind.example:${host.split(':')[1]}`
    let asked = 0
    const lookup = async () => [{ address: asked++ === 0 ? '127.0.0.1' : '10.0.0.1', family: 4 as const }]
    assert.equal(String((await callOut(`http://${name}/`, { allowHosts: [name], lookup })).body), 'here')
    assert.equal(asked, 1)
    const mixed = async () => ['1.1.1.1', '10.0.0.1'].map((address) => ({ address, family: 4 as const }))
    await assert.rejects(callOut('http://mixed.example/', { lookup: mixed }), {
      code: 'TPT_OUTGOING_REFUSED',
    })
  })

  it('follows redirects to where it may go, without the headers of another origin', async () => {
    const end = await serve((request, response) =>
      response.end(`${request.method} ${request.headers.authorization}`),
    )
    const start = await serve((_request, response) => response.writeHead(302, { location: end.url }).end())
    const secret = { method: 'POST', headers: { authorization: 'secret' }, body: 'x' }
    const both = [start.host, end.host]
    const answer = await callOut(start.url, { ...secret, allowHosts: both })
    assert.equal(String(answer.body), 'GET undefined')
    await assert.rejects(callOut(start.url, { allowHosts: [start.host] }), { code: 'TPT_OUTGOING_REFUSED' })
    const inward = await serve((_request, response) =>
      response.writeHead(307, { location: 'file:///etc/passwd' }).end(),
    )
    await assert.rejects(callOut(inward.url, { allowHosts: [inward.host] }), { code: 'TPT_OUTGOING_REFUSED' })
    const circle = await serve((_request, response) => response.writeHead(302, { location: '/' }).end())
    await assert.rejects(callOut(circle.url, { allowHosts: [circle.host] }), { message: /more than 3 times/ })
  })

  it('ends when there is too much, too late or nothing', async () => {
    const large = await serve((_request, response) => response.end('x'.repeat(1_001)))
    const asked = { allowHosts: [large.host], maxBytes: 1_000 }
    await assert.rejects(callOut(large.url, asked), { code: 'TPT_OUTGOING_REFUSED' })
    const silent = await serve(() => undefined)
    const dripping = await serve((_request, response) => void response.write('x'))
    for (const { url, host } of [silent, dripping])
      await assert.rejects(callOut(url, { allowHosts: [host], timeoutMs: 100 }), { message: /in time/ })
    await assert.rejects(callOut('http://127.0.0.1:1/', { allowHosts: ['127.0.0.1'] }), {
      code: 'TPT_OUTGOING_FAILED',
    })
    await assert.rejects(callOut('http://nobody.invalid/'), { code: 'TPT_OUTGOING_FAILED' })
  })
})
