import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:net'
import { PassThrough } from 'node:stream'
import { describe, it } from 'node:test'
import { runUntilStopped } from '../../src/cli/app-run.ts'
import { createCli, type Io } from '../../src/cli/cli.ts'
import { freePort } from '../../src/cli/dev/free-port.ts'
import { createDevLogger } from '../../src/cli/dev/logger.ts'
import { insertOf } from '../../src/cli/dev/sample-row.ts'
import { tryItLines } from '../../src/cli/dev/try-it.ts'
import { createPaint } from '../../src/cli/text.ts'
import { http, queue, upload } from '../../src/index.ts'
import { readDeclaration } from '../../src/runtime/declaration.ts'
import { describeModule } from '../../src/runtime/runner/describe.ts'
import { compilePattern } from '../../src/triggers/upload/pattern.ts'
import { sniff } from '../../src/triggers/upload/sniff.ts'
import type { Trigger } from '../../src/triggers/trigger.ts'
import { makeFunction } from '../support/make.ts'
import * as z from 'zod'

const paint = createPaint(false)

describe('the lines of dev', () => {
  const logged = (
    level: 'info' | 'warn' | 'error',
    fields: object,
    message: string,
    least: 'debug' | 'warn' = 'debug',
  ) => {
    const lines: string[] = []
    const now = (): Date => new Date(2026, 10, 23, 6, 52, 11)
    const logger = createDevLogger({ write: (line) => lines.push(line), paint, level: least, now })
    logger.child({ a: 1 })[level](fields, message)
    return lines.join('\n')
  }
  const attempt = { run: 'run_1', function: 'orders/place', attempt: '1/5', ms: 84 }

  it('say how an attempt ended', () => {
    assert.equal(
      logged('info', attempt, 'run completed'),
      '  06:52:11  orders/place  run_1  ✔ attempt 1/5  84 ms',
    )
    const failed = { ...attempt, error: 'SMTP 451\nlater', retryInMs: 1_300 }
    assert.equal(
      logged('warn', failed, 'attempt failed'),
      '  06:52:11  orders/place  run_1  ✖ attempt 1/5  84 ms  SMTP 451  retry in 1.3 s',
    )
    assert.match(
      logged('error', { ...attempt, error: 'no' }, 'run is dead'),
      /✖ attempt 1\/5 {2}84 ms {2}no {2}dead letter$/,
    )
    const lost = 'run finished, but its lease was gone: another worker has it'
    assert.match(logged('warn', attempt, lost), /✖ attempt 1\/5 {2}84 ms {2}run finished, but its lease was/)
    assert.match(
      logged('warn', { ...attempt, error: 'bye' }, 'run given back'),
      /84 ms {2}bye {2}run given back$/,
    )
  })

  it('say everything else with its fields', () => {
    assert.equal(
      logged('warn', { queue: 'q', error: new Error('e') }, 'odd'),
      '  06:52:11  warn odd  a=1 queue=q error=e',
    )
    assert.equal(logged('info', { x: '\u001b[31m' }, 'plain'), '  06:52:11  plain  a=1 x=\\u001b[31m')
  })

  it('leave out what is below the level', () => {
    assert.equal(logged('info', attempt, 'run completed', 'warn'), '')
    assert.notEqual(logged('error', attempt, 'run is dead', 'warn'), '')
  })
})

describe('lines to try', () => {
  const lines = (...triggers: readonly Trigger[]) => {
    const described = describeModule({ default: { options: { on: triggers }, handler: () => null } })
    assert.ok(described.kind === 'function')
    const declared = readDeclaration(described)
    assert.ok('triggers' in declared)
    const options = { url: 'http://127.0.0.1:4400', databaseUrl: 'postgres://nowhere', key: '$KEY' }
    return tryItLines([makeFunction(declared)], options)
  }
  const schema = z.string().regex(/^a$/)

  it('are made for routes and queues that take anything, or what can be read in their schemas', async () => {
    assert.deepEqual(await lines(http.post('/a/:id'), queue('q')), [
      `curl -d '{}' -H content-type:application/json http://127.0.0.1:4400/a/1`,
      `npx tappet send q -d '{}'`,
    ])
    const order = z.object({ id: z.uuid(), email: z.email(), total: z.number().positive() })
    const [curl = '', send = ''] = await lines(
      http.post('/orders', { body: order }),
      queue('greetings', { data: z.object({ text: z.literal("it's") }) }),
    )
    assert.match(curl, /"id":"[\da-f-]{36}","email":"a@b.co","total":42/)
    assert.equal(send, `npx tappet send greetings -d '{"text":"it'\\''s"}'`)
    for (const trigger of [http.get('/a'), http.any('/a')])
      assert.deepEqual(await lines(trigger), ['curl http://127.0.0.1:4400/a'])
    assert.deepEqual(await lines(http.put('/a')), [
      `curl -X PUT -d '{}' -H content-type:application/json http://127.0.0.1:4400/a`,
    ])
  })

  it('leave out what could fail', async () => {
    const secret = http.post('/s', { verify: { kind: 'github', secret: 'X' } as never })
    const none = [
      http.post('/b', { body: schema }),
      queue('b', { data: schema }),
      secret,
      http.get('/c', { query: schema }),
    ]
    assert.deepEqual(await lines(...none, upload('fixed.pdf'), upload('**', { accept: ['video/*'] })), [])
  })

  it('upload what the pattern and the types take', async () => {
    for (const [pattern, accept, type] of [
      ['avatars/:userId/**', ['image/*'], 'image/png'],
      ['**', [], 'text/plain'],
      ['in/*', ['application/json'], 'application/json'],
    ] as const) {
      const [line = ''] = await lines(upload(pattern, { accept }))
      const [print = '', curl = ''] = line.split(' | curl ')
      const bytes = execFileSync('sh', ['-c', print])
      const key = /uploads\/(\S+?)'?$/.exec(curl)?.[1] ?? ''
      assert.ok(compilePattern(pattern).match(key), line)
      assert.equal(await sniff(bytes, bytes.length), type)
      assert.match(curl, /-H "authorization: Bearer \$KEY"/)
    }
  })

  it('fill in columns by their type and name', () => {
    const columns = [
      { name: 'id', type: 'uuid' },
      { name: 'email', type: 'text' },
      { name: 'total', type: 'numeric' },
      { name: 'at', type: 'timestamp with time zone' },
    ]
    const values = `values (gen_random_uuid(), 'a@b.co', 42, now())`
    assert.equal(insertOf('orders', columns), `insert into orders (id, email, total, at) ${values}`)
    assert.equal(insertOf('t', []), 'insert into t default values')
    assert.equal(insertOf('t', [{ name: 'p', type: 'point' }]), null)
    assert.equal(insertOf('t', [{ name: 'a"b', type: 'text' }]), null)
  })
})

describe('starting and stopping', () => {
  const open = () => {
    let signal: Parameters<Parameters<Io['onSignal']>[0]>[0] extends infer S
      ? (signal: S) => void
      : never = () => undefined
    const stderr = new PassThrough()
    const io: Io = {
      ...{ stdin: new PassThrough(), stdout: new PassThrough(), stderr },
      onSignal: (handler) => {
        signal = handler
      },
    }
    return {
      cli: createCli(io, { color: false }),
      send: () => signal('SIGTERM'),
      told: () => String(stderr.read() ?? ''),
    }
  }

  it('stops once when it is asked to, and answers 0', async () => {
    const { cli, send, told } = open()
    const stops: string[] = []
    const running = runUntilStopped(cli, async () => ({
      stop: async () => {
        stops.push('stop')
      },
    }))
    await new Promise(setImmediate)
    assert.deepEqual(stops, [])
    send()
    assert.equal(await running, 0)
    assert.deepEqual(stops, ['stop'])
    assert.match(told(), /draining/)
  })

  it('stops after its start when it is asked to meanwhile', async () => {
    const { cli, send } = open()
    let stopped = false
    const running = runUntilStopped(cli, async () => {
      send()
      await new Promise(setImmediate)
      return {
        stop: async () => {
          stopped = true
        },
      }
    })
    assert.equal(await running, 0)
    assert.equal(stopped, true)
  })

  it('finds the next free port', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as { port: number }
    const free = await freePort('127.0.0.1', port)
    assert.ok(free > port && free < port + 50)
    await new Promise((resolve) => taken.close(resolve))
    assert.equal(await freePort('127.0.0.1', port), port)
  })
})
