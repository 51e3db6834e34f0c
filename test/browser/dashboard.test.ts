import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { type Dashboard, noBrowser, openDashboard } from '../support/dashboard.ts'
import { eventually } from '../support/eventually.ts'
import type { Running } from '../support/project.ts'

const FUNCTIONS = {
  'functions/mail/send.ts': `import { defineFunction, queue } from 'tappet'
import * as z from 'zod'
const Mail = z.object({ to: z.string() })
export default defineFunction({ on: queue('emails', { data: Mail }), retry: { attempts: 2, delay: '50ms' } }, async (event, ctx) => {
  const { to } = event.data
  ctx.log.info({ to }, 'sending')
  if (to === 'nobody') throw new Error('mailbox unavailable')
  return { sent: to }
})
`,
  'functions/tick.ts': `import { cron, defineFunction } from 'tappet'
export default defineFunction({ on: cron('0 3 * * *', { timezone: 'Europe/Berlin' }) }, () => 'ticked')
`,
  'functions/keep.ts': `import { defineFunction, upload } from 'tappet'
export default defineFunction({ on: upload('docs/*') }, (event) => event.data.key)
`,
}

const SCREENS = [
  ...[
    '',
    'runs',
    'events',
    'dead',
    'errors',
    'alerts',
    'functions',
    'functions/mail%2Fsend',
    'triggers',
    'databases',
  ],
  'schedules',
  ...['queues', 'workers', 'logs', 'uploads', 'usage', 'send', 'settings'],
]

/** Of the pages' JavaScript, packed: they should open at once over a slow line, too. */
const MOST_PACKED_BYTES = 120 * 1_024

it('the dashboard is small', async () => {
  const packed = gzipSync(await readFile('dist/dashboard/app/app.js'), { level: 9 })
  assert.ok(packed.length <= MOST_PACKED_BYTES, `${packed.length} bytes`)
})

describe('the dashboard', { skip: noBrowser }, () => {
  let dashboard: Dashboard
  let node: Running
  let page: Page
  let said: string[]
  const send = (to: string) => dashboard.send(to)
  const open = (path: string) => dashboard.open(path)
  const see = (text: string | RegExp) => dashboard.see(text)

  before(async () => {
    dashboard = await openDashboard(FUNCTIONS)
    ;({ node, page, said } = dashboard)
  })
  after(() => dashboard?.close())

  it('lets nobody in without a key, and says so', async () => {
    await page.goto(`${node.url}/_tappet/`)
    await page.getByLabel('Key').fill('a-key-that-is-not-known-anywhere')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await see(/TPT_UNAUTHORIZED/)
    // The browser tells of the refusal that was asked for.
    said.splice(0)
    await page.getByLabel('Key').fill(node.key)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await see('Overview')
  })

  it('shows each screen with what happened, without an error and within its policy, and axe finds nothing', async () => {
    for (const to of ['a', 'b', 'nobody']) await send(to)
    await node.api('/_tappet/uploads/docs/a.txt', { method: 'PUT', body: 'text' })
    await eventually(async () => {
      const { runs } = await node.api<{ runs: { state: string }[] }>('/_tappet/api/v1/runs')
      return runs.length === 4 && runs.every(({ state }) => state === 'completed' || state === 'dead')
    }, 'all runs are over')
    for (const screen of SCREENS) await dashboard.inspect(screen)
    assert.deepEqual(said, [])
  })

  it('shows a run that failed: attempts, error, log, payload', async () => {
    await open('dead')
    await see('mailbox unavailable')
    await page.getByRole('link', { name: 'look' }).first().click()
    await see(/attempt 2, dead/)
    await see(/functions\/mail\/send\.ts/)
    await see('sending')
    await see(/"nobody"/)
  })

  it('replays it with edited data', async () => {
    await page.getByRole('button', { name: 'Edit and replay' }).click()
    await page.getByLabel('Data of the new event').fill('{"to":"somebody"}')
    await page.getByRole('button', { name: 'Replay with it' }).click()
    await see(/"sent": "somebody"/)
  })

  it('filters runs, and replays all that match', async () => {
    await open('runs')
    await page.getByLabel('Filter').fill('status:dead')
    await page.getByRole('button', { name: 'Filter', exact: true }).click()
    await see('1 runs')
    await page.getByRole('button', { name: 'Replay all' }).click()
    await see(/replay done: 1 of 1/)
    await page.getByLabel('Filter').fill('stauts:dead')
    await page.getByRole('button', { name: 'Filter', exact: true }).click()
    await see(/TPT_FILTER_INVALID/)
    await open('')
    said.splice(0)
  })

  it('sends a message and a file', async () => {
    await open('send')
    await page.getByLabel('Data, as JSON').fill('{"to":"the form"}')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await see(/the form/)
    await open('send')
    await page
      .getByLabel('File')
      .setInputFiles({ name: 'b.txt', mimeType: 'text/plain', buffer: Buffer.from('b') })
    await page.getByLabel('Its key').fill('docs/b.txt')
    await page.getByRole('button', { name: 'Upload', exact: true }).click()
    await see(/docs\/b\.txt/)
  })

  it('pauses a function, and resumes it', async () => {
    await open('queues')
    await page
      .getByRole('row', { name: /mail\/send/ })
      .getByRole('button', { name: 'Pause' })
      .click()
    await see(/paused/)
    const { runs } = await send('later')
    await page
      .getByRole('row', { name: /mail\/send/ })
      .getByRole('button', { name: 'Resume' })
      .click()
    await open(`runs/${runs[0]}`)
    await see(/"sent": "later"/)
  })

  it('is told of new runs by a stream, and does not ask for the list again', async () => {
    let asked = 0
    const onRequest = (request: { url(): string }): void => {
      if (/api\/v1\/runs\?/.test(request.url())) asked++
    }
    page.on('request', onRequest)
    await open('runs')
    // Once for the page, once when the stream has begun.
    await eventually(() => asked === 2, 'the list is there')
    await page.waitForLoadState()
    const rows = page.locator('table.rows tbody tr')
    const before = await rows.count()
    for (const to of ['one', 'two', 'three']) await send(to)
    await eventually(async () => (await rows.count()) === before + 3, 'three more rows are there')
    page.off('request', onRequest)
    assert.equal(asked, 2)
  })

  it('has a form for what the schema of a function takes', async () => {
    await open('send')
    await page.getByLabel('Queue').fill('emails')
    await page.getByLabel('to', { exact: true }).fill('a field')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await see(/"a field"/)
    await open('functions/mail%2Fsend')
    await page.getByText('Invoke it').click()
    await page.getByLabel('to', { exact: true }).fill('an invocation')
    await page.getByRole('button', { name: 'Invoke', exact: true }).click()
    await see(/"sent": "an invocation"/)
  })

  it('makes a key and revokes it', async () => {
    await open('settings')
    await page.getByLabel('Name').fill('robot')
    await page.getByRole('button', { name: 'Make a key' }).click()
    await see('it is shown this once')
    await page.getByRole('row', { name: /robot/ }).getByRole('button', { name: 'Revoke' }).click()
    await page.getByRole('cell', { name: 'revoked', exact: true }).waitFor()
  })

  it('goes by keys, and fits a phone', async () => {
    await open('')
    await page.keyboard.press('g')
    await page.keyboard.press('r')
    await page.waitForURL(/#\/runs$/)
    await page.keyboard.press('?')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.setViewportSize({ width: 390, height: 800 })
    await open('runs')
    const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth + 1')
    assert.equal(wide, false)
    assert.deepEqual(said, [])
  })
})
