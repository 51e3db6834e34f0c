import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { makeProject, type Project, type Running } from '../support/project.ts'
import { testDatabase } from '../support/services.ts'

const ORDERS = (options: string): string => `import { defineFunction, http } from 'tappet'
import * as z from 'zod'
export default defineFunction(
  { on: http.post('/pay', { wait: '10s' }), ${options} },
  (event, ctx) => {
    ctx.log.info({ with: process.env.PAY_KEY }, 'pays')
    return ctx.env
  },
)
`
const VALUE = 'canary-0123456789'

describe('variables of functions', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let project: Project

  before(async () => {
    database = await testDatabase()
    project = await makeProject({
      'functions/pay.ts': ORDERS(
        `env: z.object({ PAY_PORT: z.coerce.number(), PAY_MODE: z.string() }), secrets: ['PAY_KEY']`,
      ),
      'functions/wrong.ts': ORDERS('env: z.object({ PAY_KEY: z.url(), PAY_NONE: z.string() })').replace(
        "'/pay'",
        "'/wrong'",
      ),
      'key.txt': `${VALUE}\n`,
      '.env': `PAY_PORT=1\nPAY_MODE=file\nPAY_KEY_FILE=key.txt\n`,
      '.env.local': 'PAY_PORT=2\n',
    })
  })
  after(async () => {
    await project.remove()
    await database.drop()
  })

  const tells = async (app: Running, expected: object): Promise<void> => {
    const { problems } = await app.api<{ problems: { file: string; message: string }[] }>(
      '/_tappet/api/v1/functions',
    )
    assert.deepEqual(
      problems.map(({ file }) => file),
      ['functions/wrong.ts'],
    )
    assert.match(
      problems[0]?.message ?? '',
      /^functions\/wrong\.ts: environment variable PAY_KEY: Invalid URL, got a value that is not shown; environment variable PAY_NONE: .*, got nothing$/,
    )
    const answer = await fetch(new URL('/pay', app.url), { method: 'POST' })
    assert.deepEqual([answer.status, await answer.json()], [200, expected])
    const logs = await eventually(async () => {
      const text = JSON.stringify(await app.api('/_tappet/api/v1/logs'))
      return text.includes('[secret PAY_KEY]') ? text : null
    }, 'the line of the run')
    assert.doesNotMatch(logs + app.output() + JSON.stringify(problems), /canary/)
  }

  it('come from .env.local over .env in dev, and secrets from files', async () => {
    const app = await project.start({ DATABASE_URL: database.url }, ['dev', '--port', '0'])
    await tells(app, { PAY_PORT: 2, PAY_MODE: 'file' })
    assert.equal(await app.stop(), 0)
  })

  it('come from the files that are named in start; the environment wins; what is wrong is logged', async () => {
    const environment = { DATABASE_URL: database.url, PAY_MODE: 'environment' }
    const app = await project.start(environment, ['start', '--port', '0', '--env-file', '.env'])
    await tells(app, { PAY_PORT: 1, PAY_MODE: 'environment' })
    assert.match(app.output(), /functions\/wrong\.ts: environment variable PAY_KEY: Invalid URL/)
    assert.equal(await app.stop(), 0)
  })

  it('are not needed where no function runs', async () => {
    const environment = { DATABASE_URL: database.url, TAPPET_ROLES: 'http' }
    const app = await project.start(environment)
    const { functions, problems } = await app.api<{ functions: unknown[]; problems: unknown[] }>(
      '/_tappet/api/v1/functions',
    )
    assert.deepEqual([functions.length, problems], [2, []])
    assert.equal(await app.stop(), 0)
  })
})
