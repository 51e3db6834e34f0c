import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { makeProject, type Project, type Running } from '../support/project.ts'
import { testDatabase } from '../support/services.ts'

const on = (trigger: string, options = ''): string =>
  `import { cron, defineFunction, http, postgres, signature, upload } from 'tappet'
void [cron, http, postgres, signature, upload]
export default defineFunction({ on: ${trigger}${options} }, (event) => event.data)
`

/** A mistake in each file, and the one message that its author gets: file, option, expected and got. */
const MISTAKES: Readonly<Record<string, readonly [source: string, message: RegExp]>> = {
  'cron.ts': [on(`cron('61 * * * *')`), /expected minute of 0-59.*got "61"/],
  'never.ts': [on(`cron('0 0 31 2 *')`), /never/],
  'zone.ts': [on(`cron('* * * * *', { timezone: 'Mars/Base' })`), /must be an IANA name.*got "Mars\/Base"/],
  'duration.ts': [
    on(`cron('* * * * *')`, `, timeout: '30 sec' as '30s'`),
    /`timeout` must be like '30s', got '30 sec'/,
  ],
  'attempts.ts': [on(`cron('* * * * *')`, `, retry: { attempts: 0 }`), /`retry.attempts` must be .*got 0/],
  'option.ts': [
    on(`cron('* * * * *')`, `, retries: 3`).replace('=>', '=> // @ts-ignore\n'),
    /`retries` is no option; there are on, retry/,
  ],
  'twin-a.ts': [on(`http.post('/twin/:id')`), /^$/],
  'twin-b.ts': [on(`http.post('/twin/:other')`), /the route must be free, but twin-a has POST \/twin\/:id/],
  'system.ts': [
    on(`http.post('/_tappet/mine')`),
    /must not be one of the system routes, got "\/_tappet\/mine"/,
  ],
  'wait.ts': [on(`http.post('/wait', { wait: '6m' })`), /`wait` must be .*5m.*got .*6m/],
  'bytes.ts': [
    on(`http.post('/bytes', { maxBytes: 16777217 })`),
    /`maxBytes` must be .*16777216.*got 16777217/,
  ],
  'secret.ts': [
    on(`http.post('/secret', { verify: signature.github('NO_SUCH_SECRET') })`),
    /NO_SUCH_SECRET, which is not set/,
  ],
  'column.ts': [
    on(`postgres.table('things').onUpdate({ of: ['totl'] })`),
    /has no column 'totl'\. Did you mean 'total'\?/,
  ],
  'table.ts': [on(`postgres.table('nowhere').onInsert()`), /there is no table nowhere yet/],
  'syntax.ts': [`export default {`, /does not compile: .*syntax\.ts:1/],
  'throws.ts': [`throw new Error('at import')`, /does not load: Error: at import/],
  'hangs.ts': [
    `await new Promise(() => setInterval(() => undefined, 1000))`,
    /does not load|no answer|within/,
  ],
  'exits.ts': [`process.exit(3)`, /does not load|exit/],
  'nothing.ts': [
    on(`cron('* * * * *')`).replace('export default', 'export const forgotten ='),
    /must have `export default defineFunction/,
  ],
}

describe('a project full of mistakes', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let project: Project
  let app: Running
  before(async () => {
    database = await testDatabase()
    const files = Object.entries(MISTAKES).map(([file, [source]]) => [`functions/${file}`, source] as const)
    project = await makeProject({
      ...Object.fromEntries(files),
      'functions/good.ts': on(`http.post('/good', { wait: '10s' })`),
      'functions/schema.sql': 'create table if not exists things (id int primary key, total int)',
    })
    app = await project.start({ DATABASE_URL: database.url }, ['dev', '--port', '0'])
  })
  after(async () => {
    await project.remove()
    await database.drop()
  })

  it('gets one message for each file', async () => {
    await eventually(() => app.output().includes('Try it'), 'the screen is printed')
    const lines = app
      .output()
      .split('\n')
      .filter((line) => line.includes('✖'))
    for (const [file, [, message]] of Object.entries(MISTAKES)) {
      const own = lines.filter((line) => line.includes(`functions/${file}:`))
      if (message.source === '^$') assert.deepEqual(own, [])
      else assert.ok(own.length === 1 && message.test(own[0] ?? ''), `${file}: ${JSON.stringify(own)}`)
    }
  })

  it('and runs what is good', async () => {
    const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' }
    const response = await fetch(new URL('/good', app.url), request)
    assert.deepEqual([response.status, await response.json()], [200, { a: 1 }])
    const ready = await fetch(new URL('/readyz', app.url))
    assert.equal(ready.status, 200)
  })

  it('takes a file in when it is mended', async () => {
    await project.write('functions/syntax.ts', on(`http.post('/mended', { wait: '10s' })`))
    await eventually(
      async () => {
        const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"b":1}' }
        return (await fetch(new URL('/mended', app.url), request)).status === 200
      },
      'the mended function answers',
      30_000,
    )
  })
})
