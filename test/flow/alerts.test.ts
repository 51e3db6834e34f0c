import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Notice } from '../../src/alerts/alert.ts'
import { eventually } from '../support/eventually.ts'
import { makeProject, type Project } from '../support/project.ts'
import { type TestDatabase, testDatabase } from '../support/services.ts'
import { startWebhookServer, type WebhookServer } from '../support/webhook-server.ts'

const MOODY = `import { defineFunction, FatalError, queue } from 'tappet'
export default defineFunction({ on: queue('moody') }, (event) => {
  if ((event.data as { fail?: boolean }).fail) throw new FatalError('the mailbox is full')
})
`

describe('alerts of a cluster', () => {
  let database: TestDatabase
  let project: Project
  let server: WebhookServer

  before(async () => {
    database = await testDatabase()
    server = await startWebhookServer()
    project = await makeProject({ 'functions/moody.ts': MOODY })
  })
  after(async () => {
    await project?.remove()
    await server?.close()
    await database?.drop()
  })

  it('tell once that a function fails, and once that it does no more', async () => {
    const environment = {
      ...{ DATABASE_URL: database.url, TAPPET_ADMIN_TOKEN: 'a-token-of-this-test-only' },
      ...{ TAPPET_ALERT_WEBHOOK_URL: server.url, TAPPET_ALERT_ALLOW_HOSTS: server.host },
      ...{ TAPPET_ALERT_EVERY: '1s', TAPPET_ALERT_WINDOW: '4s', TAPPET_ALERT_FAILURES: '3' },
    }
    const app = await project.start(environment)
    await project.start(environment)
    for (let n = 0; n < 3; n++) {
      const body = JSON.stringify({ fail: true })
      const headers = { 'content-type': 'application/json' }
      await app.api('/_tappet/queues/moody', { method: 'POST', body, headers })
    }
    const told = (): string[] =>
      server.delivered
        .map(({ body }) => JSON.parse(body) as Notice)
        .map(({ type, data }) => `${type} ${data.kind}`)
    await eventually(() => told().length === 4, 'both alerts begin and end', 30_000)
    assert.deepEqual(told().toSorted(), [
      'alert.firing dead_letters.new',
      'alert.firing function.failing',
      'alert.resolved dead_letters.new',
      'alert.resolved function.failing',
    ])
    assert.match(server.delivered[0]?.body ?? '', /the mailbox is full/)

    const key = { TAPPET_ADMIN_TOKEN: environment.TAPPET_ADMIN_TOKEN }
    const listed = await project.run(['alerts'], key)
    assert.deepEqual([listed.code, listed.stdout.split('\n')[0]], [0, 'no alert is firing'])
    assert.match(listed.stdout, /told: webhook \(127\.0\.0\.1:\d+\)/)
    const { recent } = JSON.parse((await project.run(['alerts', '--json'], key)).stdout) as {
      recent: { type: string; state: string; alert: { message: string } }[]
    }
    assert.deepEqual(recent.map(({ type, state }) => `${state} ${type}`).toSorted(), [
      ...['told alert.firing', 'told alert.firing', 'told alert.resolved', 'told alert.resolved'],
    ])
    const taken = await project.run(['alerts', 'test'], key)
    assert.equal(taken.code, 0)
    assert.match(taken.stdout, /^✔ webhook took it within/)
    assert.match(server.delivered.at(-1)?.body ?? '', /"alert\.test".*nothing is wrong/)
    server.answers.push(404)
    const refused = await project.run(['alerts', 'test', '--to', 'webhook'], key)
    assert.deepEqual([refused.code, refused.stdout], [1, `✖ webhook: ${server.host} answered with 404\n`])
    const nobody = await project.run(['alerts', 'test', '--to', 'slack'], key)
    assert.equal(nobody.code, 5)
    assert.match(nobody.stderr, /expected one of the destinations webhook, got "slack"/)
  })
})
