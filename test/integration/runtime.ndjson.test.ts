import assert from 'node:assert/strict'
import { join } from 'node:path'
import { chmod } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import type { Catalog } from '../../src/runtime/catalog.ts'
import type { Invocation, Settled } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { assertPartial, loadLanguages, noPython, PATH, startLanguages } from '../support/languages.ts'
import {
  find,
  makeInvocation,
  makeProject,
  never,
  type ProcessHarness,
  type Project,
} from '../support/runtime.ts'

const header = (more: object): string =>
  `# tappet: ${JSON.stringify({ on: { kind: 'queue', queue: 'q' }, ...more })}\n`
const python = (body: string, more: object = {}): string =>
  `${header({ runtime: 'ndjson', ...more })}import os, time, tappet

@tappet.function
def handler(event, ctx):
${body
  .split('\n')
  .map((line) => `    ${line}`)
  .join('\n')}
`
const shell = (body: string, more: object = {}): string =>
  `#!/bin/sh\n${header({ runtime: 'script', ...more })}. "$TAPPET_SHELL"\n${body}\n`

const FILES = {
  'echo.py': python(`print("printed", event["data"])
ctx.log.warn("said", n=1)
return {"data": event["data"], "run": ctx.run_id, "attempt": ctx.attempt}`),
  'many.py': python(
    `d = event["data"]
if d == "exit": os._exit(7)
if d == "wait":
    ctx.log.info("waiting")
    time.sleep(60)
if d == "stuck":
    import ctypes
    ctx.log.info("waiting")
    ctypes.PyDLL(None).sleep(60)
return os.getpid()`,
    { instanceConcurrency: 5, maxInstances: 1 },
  ),
  'fails.py': python(`kind = event["data"]
if kind == "fatal": raise tappet.FatalError("never")
if kind == "later": raise tappet.RetryAfterError("later", 1.5)
if kind == "result": return {1, 2}
raise KeyError("x")`),
  'odd.py': python(
    `kind = event["data"]
if kind == "deep":
    value = []
    for _ in range(100000): value = [value]
    return value
class Mute(Exception):
    def __str__(self): raise ValueError("mute")
if kind == "mute": raise Mute()
if kind == "when": raise tappet.RetryAfterError("when", float("nan"))
if kind == "nan": ctx.send("mail", {"v": float("nan")})
if kind == "date":
    import datetime
    ctx.send("mail", {"at": datetime.datetime.now()})
time.sleep(0.2)
return os.getpid()`,
    { instanceConcurrency: 5, maxInstances: 1 },
  ),
  'send.py': python(`ctx.send("mail", {"to": "ä"}, key="k", delay=0.5)
try:
    ctx.send("full", None)
except tappet.SendError as error:
    return error.code`),
  'env.py': python('return dict(os.environ)'),
  'response.py': python('return tappet.Response({"a": 1}, status=201)'),
  'broken.py': `${header({ runtime: 'ndjson' })}import no_such_module\n`,
  'silent.py': `${header({ runtime: 'ndjson' })}import time\ntime.sleep(60)\n`,
  'helper.py': 'print("no header, no function")\n',
  'shout.sh': shell(`event=$(cat)
tappet_log info 'a "quoted"	\\ line'
echo aside >&2
tappet_send mail '{"n":1}' key
printf '{"attempt":%s,"run":"%s"}' "$TAPPET_ATTEMPT" "$TAPPET_RUN_ID"`),
  'text.sh': shell('echo not json'),
  'exit.sh': shell('echo why >&2; exit 3'),
  'fatal.sh': shell('tappet_fatal "no use"'),
  'unsent.sh': shell(`tappet_send full '{}'`),
  'sleep.sh': shell('tappet_log info waiting; sleep 60 & sleep 60', { instanceConcurrency: undefined }),
  'group/tappet.json': JSON.stringify({
    ...{ runtime: 'ndjson', command: ['./serve'], on: { kind: 'queue', queue: 'q' } },
  }),
  'group/serve': `#!/bin/sh
echo '{"type":"ready"}'
while read -r line; do
  id=$(printf '%s' "$line" | sed 's/.*"id":\\([0-9]*\\),"runId".*/\\1/')
  echo 'no message'
  echo "{\\"type\\":\\"result\\",\\"id\\":$id,\\"result\\":\\"by hand\\"}"
done
`,
  'group/main.py': header({ runtime: 'ndjson' }),
}

describe('functions in other languages', () => {
  let project: Project
  let catalog: Catalog
  let harness: ProcessHarness
  before(async () => {
    project = await makeProject(FILES)
    await chmod(join(project.root, 'functions/group/serve'), 0o755)
    catalog = await loadLanguages(project.root)
    harness = startLanguages()
  })
  after(async () => {
    await harness.close()
    await project.remove()
  })

  const run = (id: string, data: unknown = null, signal = never, more: Partial<Invocation> = {}) =>
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

  it('are told by a tappet.json or a header', { skip: noPython }, () => {
    assert.deepEqual(catalog.problems, [])
    const ids = catalog.functions.map(({ id }) => id)
    assert.ok(ids.includes('group') && !ids.includes('group/main') && !ids.includes('helper'))
    assert.match(find(catalog, 'echo').version, /^[0-9a-f]{12}$/)
  })

  describe('that speak NDJSON, in Python', { skip: noPython }, () => {
    it('get the event, and give their result; what they print is logged', async () => {
      const runId = 'run_echo'
      const data = { text: 'ä\u2028\n"' }
      assert.deepEqual(await resultOf(run('echo', data, never, { runId, attempt: 2 })), {
        data,
        run: runId,
        attempt: 2,
      })
      assert.deepEqual(messagesOf(runId).length, 2)
      assertPartial(
        harness.logs.find(({ message }) => message === 'said'),
        {
          ...{ runId, attempt: 2, level: 'warn', fields: { n: 1 } },
        },
      )
    })

    it('keep their process from call to call', async () => {
      assert.equal(await resultOf(run('many')), await resultOf(run('many')))
    })

    it('fail as functions in TypeScript do', async () => {
      assertPartial(await failureOf(run('fails')), {
        ...{ name: 'KeyError', message: "'x'", retryable: true, retryAfterMs: null, lost: false },
      })
      assert.equal((await failureOf(run('fails', 'fatal'))).retryable, false)
      assert.equal((await failureOf(run('fails', 'later'))).retryAfterMs, 1_500)
      assert.equal((await failureOf(run('fails', 'result'))).code, 'TPT_RESULT_INVALID')
    })

    it('that fail in odd ways fail alone: not their process, nor a run beside them', async () => {
      const pid = await resultOf(run('odd', 'well'))
      const wanted = {
        deep: { code: 'TPT_RESULT_INVALID', retryable: false },
        mute: { name: 'Mute', message: 'Mute' },
        when: { name: 'RetryAfterError', retryAfterMs: null },
        nan: { name: 'ValueError' },
        date: { name: 'TypeError' },
      }
      for (const [kind, failure] of Object.entries(wanted)) {
        const beside = run('odd', 'well')
        assertPartial(await failureOf(run('odd', kind)), { ...failure, lost: false })
        assert.equal(await resultOf(beside), pid, kind)
      }
    })

    it('send messages, and are told why one is refused', async () => {
      const trace = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' }
      assert.equal(await resultOf(run('send', null, never, { runId: 'run_send', trace })), 'TPT_UNAVAILABLE')
      assert.deepEqual(
        harness.host.sent.filter(({ runId }) => runId === 'run_send'),
        [
          {
            ...{ queue: 'mail', data: { to: 'ä' }, key: 'k', delayMs: 500 },
            ...{ functionId: 'send', runId: 'run_send', trace },
          },
        ],
      )
    })

    it('answer requests', async () => {
      assert.deepEqual(await resultOf(run('response')), {
        '~response': {
          status: 201,
          headers: [['content-type', 'application/json']],
          body: Buffer.from('{"a": 1}').toString('base64'),
        },
      })
    })

    it('have a clean environment', async () => {
      process.env.TAPPET_TEST_SECRET = 'of the broker'
      const fresh = startLanguages({ environment: () => ({ PATH, OWN: 'of the function' }) })
      const settled = await fresh.runtime.run(find(catalog, 'env'), makeInvocation(null), never)
      await fresh.close()
      assert.ok(settled.ok)
      const environment = settled.result as Record<string, string>
      assert.equal(environment.TAPPET_TEST_SECRET, undefined)
      assertPartial(environment, { OWN: 'of the function', TAPPET_FUNCTION_ID: 'env' })
    })

    it('that do not load say why', async () => {
      const failure = await failureOf(run('broken'))
      assert.equal(failure.code, 'TPT_FUNCTION_LOAD')
      assert.match(failure.message, /functions\/broken\.py: .*No module named 'no_such_module'/)
    })

    it('that never say that they are ready are killed', async () => {
      const fresh = startLanguages({ readyMs: 200 })
      const settled = await fresh.runtime.run(find(catalog, 'silent'), makeInvocation(null), never)
      await fresh.close()
      assert.ok(!settled.ok)
      assert.match(settled.failure.message, /silent\.py: must say that it is ready within 0\.2 s/)
    })

    it('that exit fail their own run only', async () => {
      const alone = await failureOf(run('many', 'exit'))
      assert.deepEqual([alone.code, alone.lost], ['TPT_FUNCTION_CRASHED', false])
      const runId = 'run_beside'
      const beside = run('many', 'wait', AbortSignal.timeout(30_000), { runId })
      await eventually(() => messagesOf(runId).includes('waiting'), 'the other run is in it')
      const [other, exiting] = await Promise.all([failureOf(beside), failureOf(run('many', 'exit'))])
      assert.deepEqual([other.lost, exiting.lost], [true, true])
      const again = await failureOf(run('many', 'exit', never, { alone: true }))
      assert.deepEqual([again.code, again.lost], ['TPT_FUNCTION_CRASHED', false])
    })

    for (const how of ['wait', 'stuck']) {
      it(`are killed at their timeout: ${how}`, async () => {
        const runId = `run_${how}`
        const abort = new AbortController()
        const settled = run('many', how, abort.signal, { runId })
        await eventually(() => messagesOf(runId).includes('waiting'), 'it has begun')
        abort.abort(Object.assign(new Error('too late'), { code: 'TPT_TIMEOUT' }))
        assert.equal((await failureOf(settled)).code, 'TPT_TIMEOUT')
        assert.equal(typeof (await resultOf(run('many'))), 'number')
      })
    }
  })

  describe('that speak NDJSON by hand', () => {
    it('are served in their folder, and may say what is no message', async () => {
      assert.equal(await resultOf(run('group', null, never, { runId: 'run_hand' })), 'by hand')
      assert.deepEqual(messagesOf('run_hand'), ['no message'])
    })
  })

  describe('that are scripts', () => {
    it('get the event on stdin, and give their result on stdout', async () => {
      const runId = 'run_shout'
      assert.deepEqual(await resultOf(run('shout', { a: 1 }, never, { runId })), { attempt: 1, run: runId })
      assert.deepEqual(messagesOf(runId).toSorted(), ['a "quoted"\t\\ line', 'aside'])
      const sent = harness.host.sent.filter((message) => message.runId === runId)
      assertPartial(sent[0], { queue: 'mail', data: { n: 1 }, key: 'key', delayMs: 0 })
      assert.equal(await resultOf(run('text')), 'not json')
    })

    it('fail by their exit code, by what they say, and by messages that were refused', async () => {
      assertPartial(await failureOf(run('exit')), {
        ...{ code: 'TPT_FUNCTION_FAILED', message: 'functions/exit.sh: exited with code 3: why' },
        ...{ retryable: true, lost: false },
      })
      assertPartial(await failureOf(run('fatal')), { message: 'no use', retryable: false })
      assert.equal((await failureOf(run('unsent'))).code, 'TPT_UNAVAILABLE')
    })

    it('are killed with all that they started', async () => {
      const abort = new AbortController()
      const settled = run('sleep', null, abort.signal, { runId: 'run_sleep' })
      await eventually(() => messagesOf('run_sleep').includes('waiting'), 'it has begun')
      abort.abort(new Error('too late'))
      assert.equal((await failureOf(settled)).message, 'too late')
    })
  })

  it('that are wrong get a message, and the others run', async () => {
    const wrong = await makeProject({
      'a/tappet.json': '{',
      'b.py': `\n\n# tappet: {"runtime":"ndjson","on":{"kind":"queue","queue":"q"},"timeout":5}\n`,
      'c/tappet.json': '{"runtime":"script","command":["./gone"],"on":{"kind":"queue","queue":"q"}}',
      'good.sh': shell('true'),
    })
    const { functions, problems } = await loadLanguages(wrong.root)
    await wrong.remove()
    assert.deepEqual(
      functions.map(({ id }) => id),
      ['good'],
    )
    assert.match(problems[0]?.message ?? '', /^functions\/a\/tappet\.json: must be JSON: /)
    assert.deepEqual(
      problems.slice(1).map(({ message }) => message),
      [
        "functions/b.py: line 3: `timeout` must be like '30s', got 5",
        "functions/c/tappet.json: `command[0]` must be a file that may be executed, got './gone'",
      ],
    )
  })
})
