import assert from 'node:assert/strict'
import { request } from 'node:http'
import { networkInterfaces } from 'node:os'
import { after, before, describe, it } from 'node:test'
import { newSecret } from '../../src/lib/secret.ts'
import { makeProject, type Project, type Running } from '../support/project.ts'
import { testDatabase } from '../support/services.ts'

const FUNCTIONS = {
  'functions/open.ts': `import { defineFunction, http } from 'tappet'
export default defineFunction({ on: http.get('/open', { wait: '10s' }) }, () => 'open')
`,
}
const STATUS = '/_tappet/api/v1/status'

/** Addresses of this machine that are not those a server on 127.0.0.1 listens on. */
const others = [
  ...(process.platform === 'linux' ? ['127.0.0.2'] : []),
  ...Object.values(networkInterfaces()).flatMap((found) =>
    (found ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
      .map(({ address }) => address),
  ),
]

describe('who can reach a process', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  const projects: Project[] = []
  const start = async (environment: Record<string, string>, args?: readonly string[]): Promise<Running> => {
    const project = await makeProject(FUNCTIONS)
    projects.push(project)
    return project.start({ DATABASE_URL: database.url, ...environment }, args)
  }
  before(async () => {
    database = await testDatabase()
  })
  after(async () => {
    for (const project of projects) await project.remove()
    await database.drop()
  })

  /** The status, or the code of what went wrong on the way. */
  const ask = (
    { url }: Running,
    path: string,
    how: { address?: string; from?: string; host?: string; key?: string },
  ) =>
    new Promise<number | string>((resolve) => {
      const { port } = new URL(url)
      const { address = '127.0.0.1', from, host = `127.0.0.1:${port}`, key } = how
      const headers = { host, ...(key !== undefined && { authorization: `Bearer ${key}` }) }
      const asked = request(
        { localAddress: from, host: address, port, path, headers, agent: false, timeout: 5_000 },
        (response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        },
      )
      asked
        .on('timeout', () => asked.destroy())
        .on('error', (error) => resolve(String('code' in error && error.code)))
      asked.end()
    })

  it('is this machine by its loopback address alone, unless HOST says otherwise', async (t) => {
    if (others.length === 0) return t.skip('this machine has no other address')
    const closed = await start({})
    const open = await start({ HOST: '0.0.0.0' })
    for (const address of others) {
      assert.equal(await ask(closed, '/healthz', { address }), 'ECONNREFUSED', address)
      assert.equal(await ask(open, '/healthz', { address }), 200, address)
    }
    assert.equal(await ask(closed, '/healthz', {}), 200)
  })

  it('in dev is nobody under another name than this machine’s, but for HTTP triggers', async () => {
    const dev = await start({}, ['dev', '--port', '0'])
    const { key } = dev
    for (const host of ['evil.example', 'evil.example:80', 'localhost.evil.example', '10.0.0.1'])
      assert.equal(await ask(dev, STATUS, { host, key }), 403, host)
    for (const host of ['localhost', '127.0.0.1', '[::1]:4400', 'tappet.localhost'])
      assert.equal(await ask(dev, STATUS, { host, key }), 200, host)
    assert.equal(await ask(dev, '/open', { host: 'evil.example' }), 200)
  })

  it('elsewhere is anybody under any name, for a proxy may hand it on', async () => {
    const served = await start({})
    const { key } = served
    assert.equal(await ask(served, STATUS, { host: 'tappet.example', key }), 200)
    assert.equal(await ask(served, STATUS, { host: 'tappet.example' }), 401)
  })

  it('is everybody with a key that was good before, however many wrong ones come from the same address', async () => {
    const served = await start({ HOST: '0.0.0.0' })
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const issue = async (name: string): Promise<string> => {
      const body = JSON.stringify({ name, scopes: ['read'] })
      return (await served.api<{ secret: string }>('/_tappet/api/v1/keys', { ...init, body })).secret
    }
    const [known, fresh] = [await issue('known'), await issue('fresh')]
    assert.equal(await ask(served, STATUS, { key: known }), 200)
    const wrong = await Promise.all(
      Array.from({ length: 60 }, () => ask(served, STATUS, { key: newSecret() })),
    )
    assert.deepEqual([...new Set(wrong)].toSorted(), [401, 429])
    for (const key of [known, served.key]) assert.equal(await ask(served, STATUS, { key }), 200)
    const [address] = others
    if (address !== undefined)
      assert.equal(await ask(served, STATUS, { key: fresh, address, from: address }), 200, 'from elsewhere')
  })
})
