import assert from 'node:assert/strict'
import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Catalog } from '../../src/runtime/catalog.ts'
import { requestIdOf } from '../../src/runtime/lambda/names.ts'
import type { Invocation, Settled } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { assertPartial, loadLanguages, noPython, startLanguages } from '../support/languages.ts'
import {
  find,
  makeInvocation,
  makeProject,
  messageOf,
  never,
  type ProcessHarness,
  type Project,
} from '../support/runtime.ts'

const APP = `import os, sys, time, urllib.error, urllib.request

class FatalError(Exception): pass

API = "http://%s/2018-06-01/runtime/" % os.environ["AWS_LAMBDA_RUNTIME_API"]

def status(method, path, headers={}, body=b"{}"):
    data = body if method == "POST" else None
    request = urllib.request.Request(API + path, data, headers, method=method)
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code

def handler(event, context):
    print("printed")
    print("aside", file=sys.stderr)
    what = event["data"]
    if what == "context":
        left = context.deadline_ms / 1000 - time.time()
        return {**vars(context), "left": 0 < left <= 20, "env": dict(os.environ)}
    if what == "fail": raise KeyError("x")
    if what == "fatal": raise FatalError("no use")
    if what == "exit": os._exit(7)
    if what == "big": return "x" * 1100000
    if what == "wait":
        time.sleep(0.3)
        return os.getpid()
    if what == "sleep": time.sleep(60)
    if what == "misuse":
        own = "invocation/%s/response" % context.aws_request_id
        mode = {"Lambda-Runtime-Function-Response-Mode": "odd"}
        return [
            status("GET", "invocation/next"),
            status("POST", "invocation/other/response"),
            status("POST", own, mode),
            status("POST", "init/error"),
            status("GET", own),
            status("GET", "nothing"),
        ]
    if what == "web":
        return {"statusCode": 201, "headers": {"X-A": "1"}, "cookies": ["a=1"], "body": "made"}
    return {"event": event, "pid": os.getpid()}
`

const declared = (more: object = {}): string =>
  JSON.stringify({
    ...{ runtime: 'lambda', handler: 'app.handler', timeout: '20s', maxInstances: 3 },
    on: [
      { kind: 'queue', queue: 'q' },
      { kind: 'http', method: 'GET', path: '/q' },
    ],
    ...more,
  })

/** A runtime that posts what curl would: a stream with what comes at its end. */
const STREAM = `import os, socket, sys
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")

def ask(text):
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(text.encode())
        answer = connection.recv(65536).decode()
    return answer

while True:
    invocation = ask("GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    lines = dict(line.lower().split(": ", 1) for line in invocation.split("\\r\\n\\r\\n")[0].split("\\r\\n")[1:])
    failing = '"data":"fail"' in invocation
    prelude = '{"statusCode":202,"headers":{"x-b":"2"}}' + "\\0" * 8
    body = prelude + "streamed"
    trailer = "Lambda-Runtime-Function-Error-Type: Runtime.Broken\\r\\nLambda-Runtime-Function-Error-Body: eyJlcnJvck1lc3NhZ2UiOiJoYWxmd2F5In0=\\r\\n"
    ask("POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\nHost: x\\r\\n"
        "Content-Type: application/vnd.awslambda.http-integration-response\\r\\n"
        "Lambda-Runtime-Function-Response-Mode: streaming\\r\\n"
        "Transfer-Encoding: chunked\\r\\n"
        "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\\r\\n\\r\\n"
        "%x\\r\\n%s\\r\\n0\\r\\n%s\\r\\n" % (lines["lambda-runtime-aws-request-id"], len(body), body, trailer if failing else ""))
`

describe('functions on the Runtime API of AWS Lambda', { skip: noPython }, () => {
  let project: Project
  let catalog: Catalog
  let harness: ProcessHarness
  before(async () => {
    const bootstrap = await readFile(join(import.meta.dirname, '../support/lambda-bootstrap.py'), 'utf8')
    const runtime = `#!/usr/bin/env python3\n${bootstrap}`
    project = await makeProject({
      ...{ 'shop/app/tappet.json': declared(), 'shop/app/app.py': APP, 'shop/app/bootstrap': runtime },
      ...{ 'gone/tappet.json': declared({ handler: 'no_module.handler' }), 'gone/bootstrap': runtime },
      'silent/tappet.json': declared({ command: ['sh', '-c', 'sleep 60'] }),
      'early/tappet.json': declared({ command: ['sh', '-c', 'echo why >&2; exit 4'] }),
      ...{ 'stream/tappet.json': declared({ command: ['python3', 'main.py'] }), 'stream/main.py': STREAM },
    })
    for (const id of ['shop/app', 'gone'])
      await chmod(join(project.root, 'functions', id, 'bootstrap'), 0o755)
    catalog = await loadLanguages(project.root)
    harness = startLanguages()
  })
  after(async () => {
    await harness.close()
    await project.remove()
  })

  const run = (data: unknown, more: Partial<Invocation> = {}, signal = never, id = 'shop/app') =>
    harness.runtime.run(find(catalog, id), makeInvocation(data, more), signal)
  const resultOf = async (settled: Promise<Settled>): Promise<unknown> => {
    const how = await settled
    assert.ok(how.ok, JSON.stringify(how))
    return how.result
  }
  const failureOf = async (settled: Promise<Settled>) => {
    const how = await settled
    assert.ok(!how.ok, JSON.stringify(how))
    return { ...how.failure, lost: how.lost }
  }
  const messagesOf = (runId: string): string[] =>
    harness.logs.filter((line) => line.runId === runId).map(({ message }) => message)

  it('are declared by a tappet.json beside their bootstrap', () => {
    assert.deepEqual(catalog.problems, [])
    assertPartial(find(catalog, 'shop/app'), { runtime: 'lambda', command: ['./bootstrap'] })
  })

  it('get the event and give their result; what they write is logged with the run', async () => {
    const runId = 'run_echo'
    const event = messageOf({ text: 'ä\u2028' })
    const result = await resultOf(run(null, { runId, event }))
    assertPartial(result, { event })
    assert.deepEqual(messagesOf(runId).toSorted(), ['aside', 'printed'])
  })

  it('keep their process from call to call', async () => {
    const pids = [await resultOf(run('wait')), await resultOf(run('wait'))]
    assert.equal(pids[0], pids[1])
  })

  it('are told what Lambda tells', async () => {
    process.env.TAPPET_TEST_SECRET = 'of the broker'
    const runId = 'run_01KB1V5Q2N8XJ3F6T9W0Z4Y7CD'
    const result = (await resultOf(run('context', { runId, attempt: 2 }))) as Record<string, unknown>
    const arn = 'arn:aws:lambda:local:000000000000:function:shop-app'
    assertPartial(result, { aws_request_id: requestIdOf(runId), invoked_function_arn: arn, left: true })
    assert.match(String(result.trace_id), /^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$/)
    assert.deepEqual(result.client_context, {
      custom: {
        ...{
          'tappet-run-id': runId,
          'tappet-attempt': '2',
          'tappet-max-attempts': '5',
          'tappet-trigger': '0',
        },
      },
    })
    const environment = result.env as Record<string, string>
    const folder = join(project.root, 'functions/shop/app')
    assertPartial(environment, {
      ...{ _HANDLER: 'app.handler', LAMBDA_TASK_ROOT: folder, AWS_LAMBDA_FUNCTION_NAME: 'shop-app' },
      ...{ AWS_LAMBDA_FUNCTION_VERSION: '$LATEST', AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '512' },
      TAPPET_TEST_SECRET: undefined,
    })
    assert.match(environment.AWS_LAMBDA_RUNTIME_API ?? '', /^127\.0\.0\.1:\d+$/)
  })

  it('fail as functions in TypeScript do', async () => {
    const failure = await failureOf(run('fail'))
    assertPartial(failure, { name: 'KeyError', message: "'x'", retryable: true, lost: false })
    assert.match(failure.stack ?? '', /^KeyError: 'x'\n.*app\.py", line \d+, in handler/s)
    assertPartial(await failureOf(run('fatal')), { name: 'FatalError', retryable: false })
    assertPartial(await failureOf(run('big')), { code: 'TPT_RESULT_INVALID', retryable: false })
    assert.equal(typeof (await resultOf(run('wait'))), 'number')
  })

  it('that crash fail with how, and the next run has a new process', async () => {
    const failure = await failureOf(run('exit'))
    assertPartial(failure, { code: 'TPT_FUNCTION_CRASHED', lost: false })
    assert.match(failure.message, /shop\/app\/tappet\.json: the process exited with code 7/)
    assert.equal(typeof (await resultOf(run('wait'))), 'number')
  })

  it('take one call at a time, in several processes up to maxInstances', async () => {
    const pids = await Promise.all(Array.from({ length: 6 }, () => resultOf(run('wait'))))
    assert.equal(new Set(pids).size, 3)
  })

  it('are killed at their timeout', async () => {
    const runId = 'run_sleep'
    const abort = new AbortController()
    const settled = run('sleep', { runId }, abort.signal)
    await eventually(() => messagesOf(runId).includes('printed'), 'it has begun')
    abort.abort(Object.assign(new Error('too late'), { code: 'TPT_TIMEOUT' }))
    assertPartial(await failureOf(settled), { code: 'TPT_TIMEOUT', lost: false })
  })

  it('are refused what is out of turn, and go on', async () => {
    assert.deepEqual(await resultOf(run('misuse')), [403, 400, 400, 403, 405, 404])
  })

  it('that do not load say why', async () => {
    const failure = await failureOf(run(null, {}, never, 'gone'))
    assert.equal(failure.code, 'TPT_FUNCTION_LOAD')
    assert.match(
      failure.message,
      /gone\/tappet\.json: does not load: ModuleNotFoundError: No module named 'no_module'/,
    )
    const early = await failureOf(run(null, {}, never, 'early'))
    assert.equal(early.code, 'TPT_FUNCTION_LOAD')
    assert.match(early.message, /exited with code 4 \(why\) while it loaded/)
  })

  it('that never ask for an event are killed', async () => {
    const fresh = startLanguages({ readyMs: 200 })
    const settled = await fresh.runtime.run(find(catalog, 'silent'), makeInvocation(null), never)
    await fresh.close()
    assert.ok(!settled.ok)
    assert.match(settled.failure.message, /must ask for its first event within 0\.2 s, it did not/)
  })

  it('answer requests as behind API Gateway; for other events that is a value', async () => {
    assert.deepEqual(await resultOf(run('web', { trigger: 1 })), {
      '~response': {
        status: 201,
        headers: [
          ['x-a', '1'],
          ['set-cookie', 'a=1'],
        ],
        body: Buffer.from('made').toString('base64'),
      },
    })
    assertPartial(await resultOf(run('web')), { statusCode: 201, body: 'made' })
  })

  it('may stream their answer, and fail at its end', async () => {
    const body = Buffer.from('streamed').toString('base64')
    assert.deepEqual(await resultOf(run('well', { trigger: 1 }, never, 'stream')), {
      '~response': { status: 202, headers: [['x-b', '2']], body },
    })
    assertPartial(await failureOf(run('fail', { trigger: 1 }, never, 'stream')), {
      ...{ name: 'Runtime.Broken', message: 'halfway' },
    })
  })
})
