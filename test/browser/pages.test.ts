import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { type Dashboard, noBrowser, openDashboard } from '../support/dashboard.ts'
import { Client } from 'pg'
import { eventually } from '../support/eventually.ts'
import { PNG } from '../support/upload-server.ts'
import { startWebhookServer, type WebhookServer } from '../support/webhook-server.ts'

const FUNCTIONS = {
  'functions/mail/send.ts': `import { defineFunction, FatalError, queue } from 'tappet'
export default defineFunction({ on: queue('emails') }, async (event) => {
  const { to } = event.data as { to: string }
  if (to === 'nobody') throw new FatalError('mailbox unavailable')
  return { sent: to }
})
`,
  'functions/keep.ts': `import { defineFunction, upload } from 'tappet'
export default defineFunction({ on: upload('docs/*', { maxBytes: 20_000_000 }) }, (event) => event.data.key)
`,
  'functions/yearly.ts': `import { cron, defineFunction } from 'tappet'
export default defineFunction({ on: cron('0 3 1 1 *', { catchUp: 'all', catchUpWindow: '365d' }) }, () => 'ticked')
`,
}

const TUS = { 'tus-resumable': '1.0.0' }
const base64 = (text: string): string => Buffer.from(text).toString('base64')

describe('pages of the dashboard', { skip: noBrowser }, () => {
  let dashboard: Dashboard
  let hook: WebhookServer
  const page = () => dashboard.page

  before(async () => {
    hook = await startWebhookServer()
    dashboard = await openDashboard(FUNCTIONS, {
      ...{ TAPPET_ALERT_WEBHOOK_URL: `${hook.url}/secret-path`, TAPPET_ALERT_ALLOW_HOSTS: hook.host },
      ...{ TAPPET_ALERT_EVERY: '1s', TAPPET_ALERT_WINDOW: '1h' },
    })
    await page().goto(`${dashboard.node.url}/_tappet/`)
    await page().getByLabel('Key').fill(dashboard.node.key)
    await page().getByRole('button', { name: 'Sign in' }).click()
    await dashboard.see('Overview')
    for (const to of ['a', 'b', 'nobody']) await dashboard.send(to)
    await eventually(async () => {
      const { runs } = await dashboard.node.api<{ runs: { state: string }[] }>('/_tappet/api/v1/runs')
      return runs.length === 3 && runs.every(({ state }) => state === 'completed' || state === 'dead')
    }, 'all runs are over')
  })
  after(async () => {
    await dashboard?.close()
    await hook?.close()
  })

  const saidNothing = (): void => assert.deepEqual(dashboard.said, [])

  it('usage and cost: by function and day, at the prices that are chosen, as a table and as CSV', async () => {
    await dashboard.open('usage?days=7')
    await page().getByRole('button', { name: 'by function and day' }).click()
    const line = page().getByRole('row', { name: /^\d{4}-\d\d-\d\d mail\/send 3 1 / })
    await line.waitFor()
    await page()
      .getByRole('row', { name: /Netlify/ })
      .getByRole('link', { name: 'use above' })
      .click()
    await page().getByRole('columnheader', { name: 'At Netlify Functions' }).waitFor()
    await page().waitForURL(/days=7&by=function\+and\+day&cloud=Netlify\+Functions/)
    const { costs } = await dashboard.node.api<{ costs: { cloud: string; usd: number }[] }>(
      '/_tappet/api/v1/usage?days=7',
    )
    const [download] = await Promise.all([
      page().waitForEvent('download'),
      page().getByRole('button', { name: 'Save as CSV' }).click(),
    ])
    const [head, ...lines] = (await readFile(await download.path(), 'utf8')).trim().split('\r\n')
    assert.match(head ?? '', /^day,functionId,attempts,.*usd \(Netlify Functions\)$/)
    assert.match(lines[0] ?? '', /^\d{4}-\d\d-\d\d,mail\/send,3,1,/)
    const usd = costs.find(({ cloud }) => cloud === 'Netlify Functions')?.usd ?? 0
    assert.ok(Math.abs(Number(lines[0]?.split(',').at(-1)) - usd) < usd / 1e6)
    await dashboard.inspect('usage?days=7&by=function+and+day')
    saidNothing()
  })

  it('alerts: what fires, since when, who was told, and a test notice', async () => {
    await dashboard.open('alerts')
    await page()
      .getByRole('row', {
        name: /firing dead_letters\.new .*mail\/send has 1 new dead letter.* ago webhook ✔ /,
      })
      .waitFor()
    await dashboard.see(hook.host)
    assert.equal(await page().getByText('secret-path').count(), 0, 'a URL is as good as a password')
    await page().getByRole('button', { name: 'Send a test notice' }).click()
    await dashboard.see(/taken within/)
    const told = hook.delivered.map(({ body }) => (JSON.parse(body) as { type: string }).type)
    assert.equal(told.at(-1), 'alert.test')
    hook.answers.push(500)
    await page().getByRole('button', { name: 'Send a test notice' }).click()
    await dashboard.see(/not taken: .* answered with 500/)
    await page()
      .getByRole('row', { name: /test .*given up, tried once: .* answered with 500/ })
      .waitFor()
    await dashboard.inspect('alerts')
    await dashboard.open('settings')
    await dashboard.see(/POST \/_tappet\/api\/v1\/alerts\/test webhook → 200/)
    saidNothing()
  })

  it('uploads: how much of each has come, going on with one, previews of what is stored', async () => {
    const { node } = dashboard
    const content = Buffer.from('a line of text that is not long\n'.repeat(300_000))
    const ask = (path: string, method: string, headers: Record<string, string>, body?: Buffer) =>
      fetch(node.url + path, {
        ...{ method, headers: { authorization: `Bearer ${node.key}`, ...TUS, ...headers } },
        ...(body && { body }),
      })
    const begun = await ask('/_tappet/tus', 'POST', {
      'upload-length': String(content.length),
      'upload-metadata': `key ${base64('docs/long.txt')},filename ${base64('long.txt')}`,
    })
    const place = begun.headers.get('location') ?? ''
    const first = { 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' }
    await ask(place, 'PATCH', first, content.subarray(0, content.length / 4))
    await ask('/_tappet/uploads/docs/dot.png', 'PUT', {}, PNG)

    await dashboard.open('uploads')
    const line = page().locator('tr', { hasText: /docs\/long\.txt.*25\.0 % 2\.3 MB of 9\.2 MB/ })
    await line.waitFor()
    await page()
      .getByRole('row', { name: /docs\/dot\.png .* image\/png/ })
      .getByRole('button', { name: 'Show' })
      .click()
    await page().getByRole('img', { name: 'Preview of docs/dot.png' }).waitFor()
    await dashboard.inspect('uploads')

    const asked: string[] = []
    page().on('request', (request) => {
      if (request.url().includes('/_tappet/tus')) asked.push(request.method())
    })
    await page()
      .getByLabel('File', { exact: true })
      .setInputFiles({ name: 'long.txt', mimeType: 'text/plain', buffer: content })
    assert.equal(await page().getByLabel('Its key').inputValue(), 'docs/long.txt')
    await page().getByRole('button', { name: 'Upload here' }).click()
    await dashboard.see('✔ docs/long.txt is stored')
    assert.deepEqual(asked, ['HEAD', 'PATCH', 'PATCH'], 'it goes on where it had stopped')
    await line.waitFor({ state: 'detached' })
    const stored = page().getByRole('row', { name: /docs\/long\.txt 9\.2 MB text\/plain/ })
    await stored.getByRole('button', { name: 'Show' }).click()
    await dashboard.see(/a line of text that is not long/)
    await dashboard.see('The first 16,384 bytes of 9.2 MB.')
    saidNothing()
  })

  it('schedules: what was missed, what catchUp did, and the rest made up for', async () => {
    await dashboard.open('schedules')
    await dashboard.see('all are made up for, of the last 365d')
    await dashboard.see('No tick was more than 5 seconds late.')
    const client = new Client({ connectionString: dashboard.databaseUrl })
    await client.connect()
    await client.query(`update tappet.schedules set next_at = next_at - interval '3 years'`)
    await client.end()
    const line = page().getByRole('row', { name: /yearly .* 3 .*1 made up for, 2 left out \(catchUp: all\)/ })
    await line.waitFor()
    await dashboard.inspect('schedules')
    await line.getByRole('button', { name: 'Backfill' }).click()
    await dashboard.see('2 made, 1 were there')
    saidNothing()
  })

  it('explanations: a code leads to why it comes and what to do', async () => {
    await dashboard.open('runs?q=stauts:dead')
    await page().getByRole('link', { name: 'TPT_FILTER_INVALID' }).first().click()
    await dashboard.see('Does trying again help?')
    dashboard.said.splice(0)
    await dashboard.inspect('explain/TPT_TIMEOUT')
    saidNothing()
  })
})
