import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import pg from 'pg'
import { eventually } from '../support/eventually.ts'
import { noPython } from '../support/languages.ts'
import { makeProject, type Project, type Running } from '../support/project.ts'
import { testDatabase } from '../support/services.ts'

const BOOTSTRAP = join(import.meta.dirname, '../support/lambda-bootstrap.py')

const PYTHON = `import os
import tappet

@tappet.function
def handler(event, ctx):
    with open(os.environ["ORACLE"], "a") as oracle:
        oracle.write("%s %d %s\\n" % (event["type"], ctx.attempt, (event["data"] or {}).get("name")))
    if event["type"].startswith("postgres") and ctx.attempt == 1:
        raise ValueError("the first time")
    return {"type": event["type"], "data": event["data"]}
`

const SHELL = `#!/bin/sh
# tappet: {"runtime":"script","on":{"kind":"http","method":"POST","path":"/shell","wait":"20s"}}
. "$TAPPET_SHELL"
cat > /dev/null
tappet_log info hello
echo '{"by":"shell"}'
`

const LAMBDA = `def handler(event, context):
    return {"statusCode": 201, "headers": {"x-event": event["type"]}, "body": '{"by":"lambda"}'}
`

const LAMBDA_DECLARED = {
  ...{ runtime: 'lambda', handler: 'app.handler', command: ['python3', 'bootstrap.py'] },
  on: { kind: 'http', method: 'POST', path: '/lambda', wait: '20s' },
}

const DECLARED = {
  runtime: 'ndjson',
  command: ['python3', 'main.py'],
  on: [
    { kind: 'http', method: 'POST', path: '/python', wait: '20s' },
    { kind: 'cron', expression: '* * * * * *' },
    { kind: 'postgres', table: 'things', operation: 'insert' },
  ],
  retry: { attempts: 3, delay: '10ms' },
  env: ['ORACLE'],
}

describe('a project with functions in Python and shell', { skip: noPython }, () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let project: Project
  let app: Running
  before(async () => {
    database = await testDatabase()
    project = await makeProject({
      'functions/shop/tappet.json': JSON.stringify(DECLARED),
      'functions/shop/main.py': PYTHON,
      'functions/shout.sh': SHELL,
      'functions/cloud/tappet.json': JSON.stringify(LAMBDA_DECLARED),
      'functions/cloud/app.py': LAMBDA,
      'functions/cloud/bootstrap.py': await readFile(BOOTSTRAP, 'utf8'),
      'functions/wrong/tappet.json': JSON.stringify({ ...DECLARED, timeout: 'soon' }),
      'functions/schema.sql': 'create table if not exists things (id int primary key, name text)',
    })
    const environment = { DATABASE_URL: database.url, ORACLE: `${project.folder}/oracle.log` }
    app = await project.start(environment, ['dev', '--port', '0'])
  })
  after(async () => {
    await project.remove()
    await database.drop()
  })

  const post = async (path: string, body: object): Promise<unknown> => {
    const response = await fetch(new URL(path, app.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return [response.status, await response.json()]
  }
  const ran = (line: string): Promise<unknown> =>
    eventually(async () => (await project.oracle()).includes(line), `the run '${line}'`, 30_000)

  it('answers requests', async () => {
    const data = { name: 'ä' }
    assert.deepEqual(await post('/python', data), [200, { type: 'http.request', data }])
    assert.deepEqual(await post('/shell', {}), [200, { by: 'shell' }])
    assert.deepEqual(await post('/lambda', {}), [201, { by: 'lambda' }])
    await ran('http.request 1 ä')
  })

  it('runs at ticks', async () => void (await ran('cron.tick 1 None')))

  it('runs on rows, and is tried again', async () => {
    const client = new pg.Client(database.url)
    await client.connect()
    await client.query(`insert into things values (1, 'first')`)
    await client.end()
    await ran('postgres.insert 1 first')
    await ran('postgres.insert 2 first')
  })

  it('says what is wrong with a declaration', async () => {
    const message = "functions/wrong/tappet.json: `timeout` must be like '30s', got 'soon'"
    await eventually(() => app.output().includes(message), 'the message is printed')
  })

  it('takes a change of the code in', async () => {
    await project.write('functions/shop/main.py', PYTHON.replace('return {', 'return {"new": True, '))
    await eventually(
      async () => JSON.stringify(await post('/python', { name: 'b' })).includes('"new":true'),
      'the new version answers',
      30_000,
    )
  })
})
