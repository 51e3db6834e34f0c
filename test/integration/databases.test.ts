import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openDatabases } from '../../src/app/databases.ts'
import { startProxy } from '../support/proxy.ts'
import { testDatabase } from '../support/services.ts'

it('all who look at the databases share one connection', async () => {
  const database = await testDatabase()
  const proxy = await startProxy(database.url)
  try {
    const look = openDatabases({
      config: { project: 'x', variable: () => undefined } as never,
      database: { url: proxy.url } as never,
      adapters: { outboxes: () => [] },
      subscriptions: () => [],
    })
    const answers = await Promise.all(Array.from({ length: 20 }, look))
    assert.equal(proxy.connections(), 1)
    assert.deepEqual(
      answers.map(([first]) => first?.error),
      answers.map(() => null),
    )
    assert.deepEqual(await look(), answers[0])
    assert.equal(proxy.connections(), 1)
  } finally {
    await proxy.close()
    await database.drop()
  }
})
