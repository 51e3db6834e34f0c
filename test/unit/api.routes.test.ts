import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { openapi } from '../../src/api/openapi.ts'
import { API } from '../../src/api/paths.ts'
import { reference } from '../../src/api/reference.ts'
import { servedAt } from '../../src/api/route.ts'
import { ROUTES } from '../../src/api/routes.ts'
import { type AdminServer, startAdmin } from '../support/admin.ts'

interface Operation {
  readonly operationId: string
  readonly 'x-scope': string
  readonly parameters: readonly { name: string; in: string; schema: Record<string, unknown> }[]
}

describe('the route table', () => {
  let admin: AdminServer
  before(async () => {
    admin = await startAdmin()
  })
  after(() => admin.close())

  const document = openapi(ROUTES) as {
    paths: Record<string, Record<string, Operation>>
    components: { schemas: Record<string, unknown> }
  }

  it('is what is served, with the scopes that it names', () => {
    const served = admin.routes
      .filter(({ method, url }) => url.startsWith(API) && method !== 'HEAD')
      .map(({ method, url, scope }) => `${method} ${url} ${scope}`)
    const table = new Set(ROUTES.map((route) => `${servedAt(route)} ${route.scope}`))
    assert.deepEqual(served.toSorted(), [...table].toSorted())
  })

  it('is what the OpenAPI document says', async () => {
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, each]) => `${method.toUpperCase()} ${path} ${each['x-scope']}`),
    )
    const table = ROUTES.map(
      ({ method, path, scope }) => `${method} ${API}${path.replaceAll(/:(\w+)/g, '{$1}')} ${scope}`,
    )
    assert.deepEqual(operations.toSorted(), table.toSorted())
    assert.deepEqual((await admin.request(`${API}/openapi.json`)).body, JSON.parse(JSON.stringify(document)))
  })

  it('names each operation once, and points only at what is there', () => {
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    )
    assert.equal(new Set(ids).size, ids.length)
    const text = JSON.stringify(document)
    assert.ok(!text.includes('#/$defs/'))
    for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      assert.ok(document.components.schemas[name], name)
  })

  it('tells numbers in queries as numbers, with their bounds', () => {
    const limit = document.paths[`${API}/runs`]?.get?.parameters.find(({ name }) => name === 'limit')
    assert.deepEqual(limit?.schema, { type: 'integer', minimum: 1, maximum: 500 })
  })

  it('is what the reference says', async () => {
    const written = await readFile('docs/api-reference.md', 'utf8')
    assert.equal(written, reference(ROUTES), 'run `npm run docs`')
  })

  it('changes nothing by GET, and lets nobody change by a key that only reads', () => {
    for (const { method, path, scope } of ROUTES) {
      if (method !== 'GET') assert.ok(['operate', 'admin', 'ingest'].includes(scope), path)
    }
  })
})
