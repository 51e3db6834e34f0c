import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { type Dashboard, noBrowser, openDashboard } from '../support/dashboard.ts'
import { eventually } from '../support/eventually.ts'

const FUNCTIONS = {
  'functions/mail/send.ts': `import { defineFunction, FatalError, queue } from 'tappet'
export default defineFunction({ on: queue('emails') }, async (event) => {
  const { to } = event.data as { to: string }
  if (to === 'nobody') throw new FatalError('mailbox unavailable')
  return { sent: to }
})
`,
}

describe('pages of the dashboard', { skip: noBrowser }, () => {
  let dashboard: Dashboard
  const page = () => dashboard.page

  before(async () => {
    dashboard = await openDashboard(FUNCTIONS)
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
  after(() => dashboard?.close())

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
})
