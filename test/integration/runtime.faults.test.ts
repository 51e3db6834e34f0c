import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { TappetError } from '../../src/errors.ts'
import type { Catalog } from '../../src/runtime/catalog.ts'
import type { Invocation, LoadedFunction, Settled } from '../../src/runtime/runtime.ts'
import { familyOf, processTable } from '../../src/runtime/supervisor/processes.ts'
import { eventually } from '../support/eventually.ts'
import {
  filesOf,
  find,
  makeInvocation,
  makeProject,
  messageOf,
  never,
  type ProcessHarness,
  type Project,
  startProcesses,
} from '../support/runtime.ts'
import { testDatabase } from '../support/services.ts'

const NAMES = [
  ...['pid', 'stays', 'faulty', 'crowd', 'environment', 'prints', 'lastWords', 'parent', 'database', 'drops'],
]
const noProc = existsSync('/proc/loadavg') ? false : 'there is no /proc: nobody counts'
const timeout = new TappetError('TPT_TIMEOUT', 'took too long')

describe('functions that hurt their process', () => {
  let project: Project
  let catalog: Catalog
  let harness: ProcessHarness

  const fn = (id: string): LoadedFunction => find(catalog, id)
  const run = (
    id: string,
    data: unknown,
    signal: AbortSignal = never,
    more: Partial<Invocation> = {},
    declared: Partial<LoadedFunction> = {},
  ): Promise<Settled> => harness.runtime.run({ ...fn(id), ...declared }, makeInvocation(data, more), signal)
  const restart = async (more: Parameters<typeof startProcesses>[1]): Promise<void> => {
    await harness.close()
    harness = startProcesses(project.root, more)
  }
  /** The processes of the runs that have said where they are. */
  const pids = (count: number): Promise<number[]> =>
    eventually(() => {
      const found = harness.logs.flatMap(({ message }) => /^in (\d+)$/.exec(message)?.[1] ?? [])
      return found.length >= count ? found.map(Number) : null
    }, `${count} runs to have begun`)

  before(async () => {
    project = await makeProject(filesOf('./runtime-faults.ts', NAMES))
    catalog = await project.load({ PATH: process.env.PATH ?? '' })
  })
  after(() => project.remove())
  beforeEach(() => {
    harness = startProcesses(project.root)
  })
  afterEach(() => harness.close())

  describe('a run that does not end', () => {
    for (const how of ['spin', 'block', 'command']) {
      test(`is killed a second after its deadline, while another function goes on: ${how}`, async () => {
        await run('pid', null)
        const controller = new AbortController()
        const running = run('faulty', how, controller.signal)
        const [pid = 0] = await pids(1)
        const startedMs = performance.now()
        controller.abort(timeout)
        let others = 0
        const settled = await Promise.race([running, countRuns()])
        async function countRuns(): Promise<never> {
          for (;;) {
            assert.equal((await run('pid', null)).ok, true)
            others++
          }
        }
        const tookMs = performance.now() - startedMs
        assert.ok(!settled.ok && !settled.lost)
        assert.deepEqual([settled.failure.code, settled.failure.retryable], ['TPT_TIMEOUT', true])
        assert.ok(tookMs < 2_500, `took ${tookMs} ms`)
        assert.ok(others > 10, `only ${others} runs of the other function`)
        assert.equal(isAlive(pid), false)
      })
    }

    test('G10: in a process with others is not blamed, nor are they, until it is alone', async () => {
      const controller = new AbortController()
      const sibling = run('faulty', 'stay')
      await pids(1)
      const running = run('faulty', 'spin', controller.signal)
      await pids(2)
      controller.abort(timeout)
      assert.deepEqual(lossOf(await running), ['TPT_INSTANCE_LOST', true])
      assert.deepEqual(lossOf(await sibling), ['TPT_INSTANCE_LOST', true])
      const alone = new AbortController()
      const again = run('faulty', 'spin', alone.signal, { alone: true })
      await pids(3)
      alone.abort(timeout)
      assert.equal(codeOf(await again), 'TPT_TIMEOUT')
    })

    test('that honours its signal leaves the process as it was', async () => {
      const controller = new AbortController()
      const sibling = run('faulty', 'rest')
      const running = run('faulty', 'stay', controller.signal)
      const [pid = 0] = await pids(2)
      controller.abort(timeout)
      assert.equal(codeOf(await running), 'TPT_TIMEOUT')
      assert.deepEqual(await sibling, { ok: true, result: pid })
      assert.deepEqual(await run('faulty', 'pid'), { ok: true, result: pid })
    })

    test('has said what it said', async () => {
      const controller = new AbortController()
      const running = run('lastWords', null, controller.signal)
      await eventually(() => harness.logs.some(({ message }) => message === 'now I spin'), 'its last line')
      controller.abort(timeout)
      assert.equal(codeOf(await running), 'TPT_TIMEOUT')
    })
  })

  describe('a process that dies', () => {
    const deaths: readonly (readonly [string, RegExp])[] = [
      ['exit', /^functions\/faulty\.ts: the process exited with code 7/],
      ['segfault', /died of SIGSEGV/],
      ['abort', /died of SIGABRT/],
    ]
    for (const [how, message] of deaths) {
      test(`G10: fails the only run in it: ${how}`, async () => {
        const settled = await run('faulty', how)
        assert.ok(!settled.ok && !settled.lost)
        assert.deepEqual([settled.failure.code, settled.failure.retryable], ['TPT_FUNCTION_CRASHED', true])
        assert.match(settled.failure.message, message)
        assert.equal((await run('faulty', 'pid')).ok, true)
      })
    }

    test('in its first call is not taken for one that does not load', async () => {
      assert.equal(codeOf(await run('drops', null)), 'TPT_FUNCTION_CRASHED')
      const [sibling, last] = await Promise.all([run('drops', 'stay'), run('drops', null)])
      assert.deepEqual(lossOf(sibling), ['TPT_INSTANCE_LOST', true])
      assert.deepEqual(lossOf(last), ['TPT_INSTANCE_LOST', true])
    })

    for (const how of ['memory', 'map', 'buffers', 'wasm']) {
      test(`for want of memory says so, and harms nobody: ${how}`, async () => {
        const other = run('stays', null, AbortSignal.timeout(60_000))
        const settled = await run('faulty', how, never, {}, { memoryMb: 64, timeoutMs: 60_000 })
        assert.deepEqual(lossOf(settled), ['TPT_OUT_OF_MEMORY', false])
        assert.equal((await run('faulty', 'pid')).ok, true)
        await harness.close()
        assert.deepEqual(lossOf(await other), ['TPT_SHUTDOWN', true])
      })
    }

    test('that has taken too much with several runs in it blames none', async () => {
      const small = { memoryMb: 64 }
      const sibling = run('faulty', 'stay', never, {}, small)
      await pids(1)
      assert.deepEqual(lossOf(await run('faulty', 'memory', never, {}, small)), ['TPT_INSTANCE_LOST', true])
      assert.deepEqual(lossOf(await sibling), ['TPT_INSTANCE_LOST', true])
    })

    for (const how of ['start children', 'start a chain', 'fork bomb']) {
      test(
        `for too many processes says so, takes all with it, and harms nobody: ${how}`,
        { skip: noProc },
        async () => {
          const other = run('stays', null, AbortSignal.timeout(60_000))
          await pids(1)
          const settled = await run('faulty', how, AbortSignal.timeout(20_000), {}, { maxProcesses: 24 })
          assert.deepEqual(lossOf(settled), ['TPT_TOO_MANY_PROCESSES', false])
          const [, pid = 0] = await pids(2)
          await eventually(() => familyOf(pid, processTable()).length === 0, 'all that it started to be gone')
          assert.equal((await run('faulty', 'pid')).ok, true)
          await harness.close()
          assert.deepEqual(lossOf(await other), ['TPT_SHUTDOWN', true])
        },
      )
    }

    test('has not started too many when it starts as many as it may', async () => {
      const settled = await run('faulty', 'start some', never, {}, { maxProcesses: 10 })
      assert.equal(settled.ok, true, JSON.stringify(settled))
    })

    test('because it closed its descriptors fails its run', async () => {
      for (const how of ['close the socket', 'close all']) {
        assert.deepEqual(lossOf(await run('faulty', how)), ['TPT_FUNCTION_CRASHED', false])
      }
      assert.equal((await run('faulty', 'close the output')).ok, true)
      assert.equal((await run('faulty', 'pid')).ok, true)
    })

    test('G10: loses all runs when there are several: any may be to blame', async () => {
      const sibling = run('faulty', 'stay')
      await pids(1)
      assert.deepEqual(lossOf(await run('faulty', 'exit')), ['TPT_INSTANCE_LOST', true])
      assert.deepEqual(lossOf(await sibling), ['TPT_INSTANCE_LOST', true])
    })

    test('G10: fails a run that was alone, and nobody else', async () => {
      const sibling = run('faulty', 'rest')
      const [pid] = await pids(1)
      assert.deepEqual(lossOf(await run('faulty', 'exit', never, { alone: true })), [
        'TPT_FUNCTION_CRASHED',
        false,
      ])
      assert.deepEqual(await sibling, { ok: true, result: pid })
    })

    test('takes what it started with it', async () => {
      const settled = await run('parent', null)
      const [self = 0, child = 0] = (settled.ok ? settled.result : []) as number[]
      assert.deepEqual([isAlive(self), isAlive(child)], [true, true])
      await harness.close()
      assert.equal(isAlive(self), false)
      await eventually(() => !isAlive(child), 'the child to be gone')
    })
  })

  describe('what is thrown outside of the handler', () => {
    for (const [how, message] of [
      ['floating', 'nobody waits for me'],
      ['timer', 'from a timer'],
    ] as const) {
      test(`G10: fails the run that it comes from, not its siblings; then the process goes: ${how}`, async () => {
        const sibling = run('faulty', 'rest')
        const [pid = 0] = await pids(1)
        const settled = await run('faulty', how)
        assert.ok(!settled.ok && !settled.lost)
        assert.deepEqual([settled.failure.message, settled.failure.retryable], [message, true])
        assert.match(settled.failure.stack ?? '', /runtime-faults\.ts:\d+:\d+/)
        assert.deepEqual(await sibling, { ok: true, result: pid })
        const next = await run('faulty', 'pid')
        assert.notEqual(next.ok && next.result, pid)
        await eventually(() => !isAlive(pid), 'the process to be gone')
      })
    }

    test('after the run has settled is written to its log', async () => {
      const settled = await run('faulty', 'late')
      assert.ok(settled.ok)
      const line = await eventually(() => harness.logs.find(({ level }) => level === 'error'), 'the line')
      assert.match(line.message, /^thrown after the function had returned: Error: after the end\n/)
      await eventually(() => !isAlive(settled.result as number), 'the process to be gone')
      assert.equal((await run('faulty', 'pid')).ok, true)
    })
  })

  describe('what is left open', () => {
    for (const [how, what] of [
      ['leave an interval', 'an interval'],
      ['leave a child', 'a child process'],
    ] as const) {
      test(`is in the run's log, once: ${how}`, async () => {
        await run('faulty', how)
        await run('faulty', how)
        const warnings = harness.logs.filter(({ level }) => level === 'warn').map(({ message }) => message)
        assert.deepEqual(warnings, [`left open after the function had returned: ${what}`])
      })
    }
  })

  describe('output', () => {
    test('of the console, stdout and stderr becomes lines of the run', async () => {
      assert.deepEqual(await run('prints', 'console'), { ok: true, result: 'done' })
      const lines = harness.logs.map(({ level, message }) => `${level} ${message}`)
      const table = lines.filter((line) => /^info [┌│├└]/.test(line))
      assert.ok(table.some((line) => line.includes('five')))
      const rest = lines.filter((line) => !table.includes(line))
      assert.match(rest.splice(3, 1)[0] ?? '', /^error Error: four\n\s+at /)
      assert.deepEqual(rest, [
        ...['debug one { a: 1 }', 'info two\nlines', 'warn three 3'],
        ...['info six', 'info seven', 'error eight'],
      ])
      assert.deepEqual(harness.output, [])
    })

    test('of 10 MB is cut off', async () => {
      assert.deepEqual(await run('prints', 'flood'), { ok: true, result: 'done' })
      assert.ok(harness.logs.length <= 5_001)
      assert.match(harness.logs.at(-1)?.message ?? '', /^log cut off/)
    })

    test('of 10 MB past the console, without a line break, hurts nobody', async () => {
      assert.deepEqual(await run('prints', 'raw flood'), { ok: true, result: 'done' })
      assert.deepEqual(harness.logs, [])
      assert.ok(harness.output.length < 200)
    })

    test('of a child process goes to the log of the broker', async () => {
      await run('prints', 'child')
      await eventually(() => harness.output.length === 2, 'two lines')
      assert.deepEqual(harness.output.toSorted(), ['and its stderr', 'from a child'])
    })
  })

  test('at most ten calls share a process, and at most four processes run', async () => {
    const settled = await Promise.all(Array.from({ length: 50 }, () => run('crowd', null)))
    const results = settled.map((one) => (one.ok ? one.result : null) as { pid: number; peak: number })
    const processes = new Set(results.map(({ pid }) => pid))
    assert.ok(processes.size >= 2 && processes.size <= 4, `${processes.size} processes`)
    assert.ok(results.every(({ peak }) => peak <= 10))
    assert.ok(results.some(({ peak }) => peak > 1))
  })

  test('as many processes run as the concurrency takes', async () => {
    await restart({ concurrency: 6 })
    const stop = new AbortController()
    const strict = { instanceConcurrency: 1 }
    const running = Array.from({ length: 6 }, () => run('stays', null, stop.signal, {}, strict))
    assert.equal(new Set(await pids(6)).size, 6)
    stop.abort(timeout)
    await Promise.all(running)
  })

  test('a run that waits for a place has not begun, and is let go by its signal', async () => {
    const first = new AbortController()
    const begun: string[] = []
    const single = { ...fn('stays'), instanceConcurrency: 1, maxInstances: 1 }
    const stay = (name: string, signal: AbortSignal): Promise<Settled> =>
      harness.runtime.run(single, makeInvocation(null), signal, () => begun.push(name))
    const running = stay('first', first.signal)
    await pids(1)
    const second = new AbortController()
    const waiting = stay('second', second.signal)
    second.abort(timeout)
    assert.equal(codeOf(await waiting), 'TPT_TIMEOUT')
    assert.deepEqual(begun, ['first'])
    first.abort(timeout)
    assert.equal(codeOf(await running), 'TPT_TIMEOUT')
    assert.equal((await run('stays', null, AbortSignal.timeout(100))).ok, false)
  })

  describe('instances', () => {
    test('a run avoids one whose event loop does not come round', async () => {
      const controller = new AbortController()
      const spinning = run('faulty', 'spin', controller.signal)
      const [pid = 0] = await pids(1)
      // The first finds out that it is late.
      const first = run('faulty', 'pid')
      await eventually(async () => {
        const settled = await run('faulty', 'pid', AbortSignal.timeout(300))
        return settled.ok && settled.result !== pid
      }, 'a run in another process')
      controller.abort(timeout)
      await Promise.all([spinning, first])
    })

    test('a spare adopts a version; another takes its place', async () => {
      await restart({ spares: 1, environment: () => ({ GREETING: 'hello' }) })
      const settled = await run('environment', null)
      const { env, environ } = (settled.ok ? settled.result : {}) as { env: object; environ: string }
      assert.deepEqual([env, environ], [{ GREETING: 'hello' }, ''])
      assert.equal((await run('pid', null)).ok, true)
      // What is read when a process starts must be there then.
      const options = await run('environment', null, never, {}, { id: 'other', memoryMb: 64 })
      assert.equal(options.ok, true)
    })

    test('a spare that was killed fails nobody', async () => {
      await restart({ spares: 1 })
      const settled = await run('pid', null)
      const supervisor = parentOf(settled.ok ? (settled.result as number) : 0)
      await eventually(() => childrenOf(supervisor).length === 2, 'another spare')
      for (const pid of childrenOf(supervisor)) process.kill(pid, 'SIGKILL')
      const after = await run('crowd', null)
      if (!after.ok) assert.deepEqual(lossOf(after), ['TPT_INSTANCE_LOST', true])
      await eventually(async () => (await run('crowd', null)).ok, 'a run in a process of its own')
    })

    test('are kept ready if the function says so, and replaced when they end', async () => {
      const provisioned = { ...fn('pid'), provisioned: 2 }
      await restart({ idleMs: 50 })
      const settled = await run('crowd', null)
      assert.ok(settled.ok)
      const supervisor = parentOf((settled.result as { pid: number }).pid)
      await eventually(() => childrenOf(supervisor).length === 0, 'the idle one to be gone')
      harness.runtime.retain([provisioned])
      const ready = await eventually(() => {
        const found = childrenOf(supervisor)
        return found.length === 2 ? found : null
      }, 'two to be ready')
      const warm = await harness.runtime.run(provisioned, makeInvocation(null), never)
      assert.ok(warm.ok && ready.includes(warm.result as number))
      process.kill(ready[0] ?? 0, 'SIGKILL')
      await eventually(() => {
        const found = childrenOf(supervisor)
        return found.length === 2 && !found.includes(ready[0] ?? 0)
      }, 'another to be ready')
      harness.runtime.retain([])
      await eventually(() => childrenOf(supervisor).length === 0, 'none to be left')
    })
  })

  test('a function sees the environment that it is given, and none of ours', async () => {
    process.env.TAPPET_TEST_SECRET = 'hunter2'
    const given = { GREETING: 'hello', NODE_ENV: 'test' }
    await restart({ environment: () => given, databaseUrl: () => 'postgres://user:swordfish@nowhere/db' })
    try {
      const settled = await run('environment', null)
      assert.ok(settled.ok)
      const { env, environ, cwd, args } = settled.result as Record<'env' | 'environ' | 'cwd' | 'args', string>
      assert.deepEqual(env, given)
      assert.doesNotMatch(JSON.stringify([environ, args]), /hunter2|swordfish/)
      assert.equal(cwd, project.root)
    } finally {
      delete process.env.TAPPET_TEST_SECRET
    }
  })

  describe('a function that does not load any more', () => {
    test('fails its runs and checks', async () => {
      await restart({ environment: () => ({ FAIL_AT_IMPORT: 'throw' }) })
      const settled = await Promise.all([run('pid', null), run('pid', null)])
      for (const one of settled) {
        assert.deepEqual(lossOf(one), ['TPT_FUNCTION_LOAD', false])
        assert.match(
          one.ok ? '' : one.failure.message,
          /^functions\/pid\.ts: does not load: TypeError: not with/,
        )
      }
      const keyed = { ...fn('pid'), hasIdempotencyKey: true }
      await assert.rejects(harness.runtime.admit(keyed, messageOf(1), 0), { code: 'TPT_FUNCTION_LOAD' })
    })

    test('because it exits', async () => {
      await restart({ environment: () => ({ FAIL_AT_IMPORT: 'exit' }) })
      const settled = await Promise.all([run('pid', null), run('pid', null)])
      for (const one of settled) {
        assert.deepEqual(lossOf(one), ['TPT_FUNCTION_LOAD', false])
        assert.match(one.ok ? '' : one.failure.message, /the process exited with code 9 while it loaded/)
      }
    })
  })

  describe('ctx.db', () => {
    test('is a pool of at most five connections, closed with the process', async () => {
      const database = await testDatabase()
      try {
        await restart({ databaseUrl: () => database.url })
        assert.deepEqual(await run('database', 41), {
          ok: true,
          result: { sum: 42, name: 'tappet database' },
        })
        assert.deepEqual(await run('database', 'many'), { ok: true, result: 5 })
      } finally {
        await harness.close()
        await database.drop()
      }
    })

    test('says so where there is none', async () => {
      const settled = await run('database', 41)
      assert.match(settled.ok ? '' : settled.failure.message, /^database: `ctx\.db` needs a database URL/)
    })
  })

  describe('the life of a process', () => {
    test('ends when it has been idle', async () => {
      await restart({ idleMs: 50 })
      const settled = await run('pid', null)
      await eventually(() => settled.ok && !isAlive(settled.result as number), 'the process to be gone')
      assert.equal((await run('pid', null)).ok, true)
    })

    test('ends after its calls when its version is not wanted any more', async () => {
      const controller = new AbortController()
      const running = run('stays', null, controller.signal)
      const [pid = 0] = await pids(1)
      const other = await run('pid', null)
      harness.runtime.retain([fn('pid')])
      assert.equal(isAlive(pid), true)
      controller.abort(timeout)
      await running
      await eventually(() => !isAlive(pid), 'the old process to be gone')
      assert.deepEqual(await run('pid', null), other)
    })

    test('goes on when its version is wanted again', async () => {
      harness.runtime.retain([])
      const old = await run('pid', null)
      await eventually(() => old.ok && !isAlive(old.result as number), 'the process to be gone')
      harness.runtime.retain([fn('pid')])
      const first = await run('pid', null)
      assert.deepEqual(await run('pid', null), first)
    })

    test('ends with close at once, whatever it does', async () => {
      const running = [run('stays', null), run('faulty', 'spin')]
      const found = await pids(2)
      const startedMs = performance.now()
      await harness.close()
      assert.ok(performance.now() - startedMs < 2_000)
      for (const one of await Promise.all(running)) assert.deepEqual(lossOf(one), ['TPT_SHUTDOWN', true])
      assert.deepEqual(found.filter(isAlive), [])
      assert.deepEqual(lossOf(await run('pid', null)), ['TPT_SHUTDOWN', true])
    })

    test('does not keep ours alive', async () => {
      const broker = startBroker('idle')
      const [code] = (await once(broker.child, 'exit')) as [number]
      assert.equal(code, 0)
      await eventually(async () => (await broker.pids).every((pid) => !isAlive(pid)), 'no process left')
    })

    test('ends when ours is killed, even when it spins', async () => {
      const broker = startBroker('busy')
      const found = await broker.pids
      assert.equal(found.length, 2)
      broker.child.kill('SIGKILL')
      await eventually(() => found.every((pid) => !isAlive(pid)), 'no process left')
    })

    test('ends, and its supervisor, when ours is killed while it is handed over', async () => {
      const broker = startBroker('starting')
      const [supervisor = 0] = await broker.pids
      await eventually(() => childrenOf(supervisor).length === 2, 'another process')
      const found = [supervisor, ...childrenOf(supervisor)]
      broker.child.kill('SIGKILL')
      await eventually(() => found.every((pid) => !isAlive(pid)), 'no process left')
    })

    test('ends at its timeout also when the supervisor does nothing', async () => {
      const controller = new AbortController()
      const running = run('faulty', 'spin', controller.signal, { alone: true })
      const [pid = 0] = await pids(1)
      const supervisor = parentOf(pid)
      process.kill(supervisor, 'SIGSTOP')
      controller.abort(timeout)
      assert.equal((await running).ok, false)
      await eventually(() => !isAlive(supervisor) && !isAlive(pid), 'both to be gone')
      assert.equal((await run('pid', null)).ok, true)
    })

    test('is over for all when their supervisor is killed; nobody is to blame, and another takes its place', async () => {
      const running = [run('stays', null), run('faulty', 'spin', never, { alone: true })]
      const found = await pids(2)
      process.kill(parentOf(found[0] ?? 0), 'SIGKILL')
      for (const one of await Promise.all(running)) assert.deepEqual(lossOf(one), ['TPT_INSTANCE_LOST', true])
      await eventually(() => found.every((pid) => !isAlive(pid)), 'no process left')
      assert.equal((await run('pid', null)).ok, true)
    })
  })

  /** A process of ours with functions in it; it prints their pids, one line. */
  function startBroker(mode: 'idle' | 'busy' | 'starting') {
    const script = fileURLToPath(new URL('../support/runtime-broker.ts', import.meta.url))
    const functions = JSON.stringify([fn('pid'), fn('stays'), fn('lastWords')])
    const child = spawn(process.execPath, ['--import', 'tsx', script, project.root, mode, functions], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const line = once(createInterface(child.stdout), 'line') as Promise<[string]>
    return { child, pids: line.then(([text]) => JSON.parse(text) as number[]) }
  }
})

function codeOf(settled: Settled): string | null {
  return settled.ok ? 'ok' : settled.failure.code
}

function lossOf(settled: Settled): [string | null, boolean] {
  return settled.ok ? ['ok', false] : [settled.failure.code, settled.lost]
}

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return 0
  }
}

function childrenOf(parent: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => isAlive(pid) && parentOf(pid) === parent)
}

/** A dead process that nobody has waited for is gone, too. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
