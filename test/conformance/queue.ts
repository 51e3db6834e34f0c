import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { afterEach, describe, test } from 'node:test'
import { newId } from '../../src/lib/id.ts'
import { type Consumer, type Job, jobId, type Queue } from '../../src/queue/queue.ts'
import { eventually } from '../support/eventually.ts'

export interface QueueSuiteOptions {
  /** Why two queues from `make` do not see each other's jobs. Without it they do. */
  readonly alone?: string
  /** How many connections the queues of this suite have open, and how many are allowed. */
  readonly connections?: { readonly count: () => Promise<number>; readonly max: number }
}

/** What every queue does. `make` opens one more on the backend of the suite. */
export function conformsToQueue(
  name: string,
  make: () => Promise<Queue>,
  { alone, connections }: QueueSuiteOptions = {},
): void {
  const shared = alone === undefined ? {} : { skip: alone }
  const open: Queue[] = []
  const opened = async (): Promise<Queue> => {
    const queue = await make()
    open.push(queue)
    return queue
  }

  describe(`${name} conforms to Queue`, () => {
    afterEach(() => Promise.all(open.splice(0).map((queue) => queue.close())))

    test('a job is handed out with its three fields', async () => {
      const queue = await opened()
      const job = { ...aJob(), lease: 7 }
      const { handled } = await handling(queue, job.functionId)
      await queue.add([job])
      await eventually(() => handled.length === 1, 'the job')
      assert.deepEqual(handled, [job])
    })

    test('a job that waits is not added again, ten times at once or one after another', async () => {
      const queue = await opened()
      const job = aJob()
      const last = aJob(job.functionId)
      await Promise.all(Array.from({ length: 10 }, () => queue.add([job, job])))
      await queue.add([job])
      await queue.add([last])
      const { handled } = await handling(queue, job.functionId)
      await eventually(() => handled.length >= 2, 'both jobs')
      assert.deepEqual(handled, [job, last])
    })

    test('G6: a job that goes first is handed out before those that wait', async () => {
      const queue = await opened()
      const [one, two, ...rest] = someJobs(60)
      const { functionId } = one
      await queue.add([one, ...rest])
      await queue.add([{ ...two, first: true }])
      const { handled } = await handling(queue, functionId)
      await eventually(() => handled.length === 2 + rest.length, 'all jobs')
      assert.deepEqual(handled[0], two)
    })

    test('a job that is under way is not added again', async () => {
      const queue = await opened()
      const job = aJob()
      const last = aJob(job.functionId)
      const gate = aGate()
      const { handled } = await handling(queue, job.functionId, { work: () => gate.passed })
      await queue.add([job])
      await eventually(() => handled.length === 1, 'the job to be under way')
      await Promise.all(Array.from({ length: 10 }, () => queue.add([job])))
      await queue.add([last])
      gate.open()
      await eventually(() => handled.length >= 2, 'the last job')
      assert.deepEqual(handled, [job, last])
    })

    test('two queues that add the same job at once add it once', shared, async () => {
      const [one, two] = await Promise.all([opened(), opened()])
      const jobs = someJobs(100)
      const last = aJob(functionOf(jobs))
      await Promise.all(
        [one, two, one, two].map((queue, index) => queue.add(index < 2 ? jobs : jobs.toReversed())),
      )
      await one.add([last])
      const { handled } = await handling(two, functionOf(jobs))
      await eventually(() => handled.some((job) => jobId(job) === jobId(last)), 'the last job')
      assert.deepEqual(handled.map(jobId).toSorted(), [...jobs, last].map(jobId).toSorted())
    })

    test('another lease of the same run is another job', async () => {
      const queue = await opened()
      const job = aJob()
      const again = { ...job, lease: job.lease + 1 }
      await queue.add([job, again])
      const { handled } = await handling(queue, job.functionId)
      await eventually(() => handled.length === 2, 'both jobs')
      assert.deepEqual(
        handled.toSorted((a, b) => a.lease - b.lease),
        [job, again],
      )
    })

    test('a process handles as many at once as it said, and no more', async () => {
      const queue = await opened()
      const jobs = someJobs(30)
      const { handled, work, most } = untilManyAtOnce(4)
      await queue.consume({ functionId: functionOf(jobs), concurrency: 4, limit: null }, work)
      await queue.add(jobs)
      await eventually(() => handled.length === jobs.length, 'all jobs')
      assert.equal(most(), 4)
    })

    test('a limit holds over all processes', shared, async () => {
      const queues = await Promise.all([opened(), opened()])
      const jobs = someJobs(40)
      const { handled, work, most } = untilManyAtOnce(3)
      for (const queue of queues) {
        await queue.consume({ functionId: functionOf(jobs), concurrency: 5, limit: 3 }, work)
      }
      await Promise.all([queues[0].add(jobs.slice(0, 20)), queues[1].add(jobs.slice(20))])
      await eventually(() => handled.length === jobs.length, 'all jobs', 20_000)
      assert.equal(most(), 3)
      assert.equal(new Set(handled.map(jobId)).size, jobs.length)
    })

    test('a limit’s place that a stopped consumer leaves is taken by another', shared, async () => {
      const [one, two] = await Promise.all([opened(), opened()])
      const [first, second] = someJobs(2)
      const { functionId } = first
      const gate = aGate()
      const mine = await handling(one, functionId, { limit: 1, work: () => gate.passed })
      await one.add([first])
      await eventually(() => mine.handled.length === 1, 'the first job to be under way')
      const other = await handling(two, functionId, { limit: 1 })
      await two.add([second])
      const stopped = mine.consumer.stop()
      gate.open()
      await stopped
      await eventually(() => other.handled.length === 1, 'the second job', 2_000)
      assert.deepEqual(other.handled, [second])
    })

    test('functions are kept apart, and jobs wait for their consumer', async () => {
      const queue = await opened()
      const [one, two] = [someJobs(20), someJobs(20)]
      await queue.add([...one, ...two])
      const first = await handling(queue, functionOf(one))
      await eventually(() => first.handled.length === 20, 'the first function’s jobs')
      assert.deepEqual(await queue.counts(functionOf(two)), { waiting: 20, active: 0 })
      const second = await handling(queue, functionOf(two))
      await eventually(() => second.handled.length === 20, 'the second function’s jobs')
      assert.deepEqual(second.handled.map(jobId).toSorted(), two.map(jobId).toSorted())
      assert.equal(first.handled.length, 20)
    })

    test('names of functions may have slashes, colons, percents, braces and spaces', async () => {
      const queue = await opened()
      const names = ['a:b', 'a%3Ab', 'a/b', '{a}b', 'a b', 'active', 'ü'].map(
        (start) => `${start}-${randomUUID()}`,
      )
      const consumers = await Promise.all(names.map((id) => handling(queue, id)))
      await queue.add(names.map((id) => aJob(id)))
      await eventually(() => consumers.every(({ handled }) => handled.length === 1), 'a job for each')
      assert.deepEqual(
        consumers.map(({ handled }) => handled[0]?.functionId),
        names,
      )
    })

    test('missing are the jobs that neither wait nor are under way', async () => {
      const queue = await opened()
      const [active, waiting, unknown] = someJobs(3)
      const otherLease = { ...active, lease: active.lease + 1 }
      const otherFunction = { ...waiting, functionId: aJob().functionId }
      const gate = aGate()
      const { handled } = await handling(queue, active.functionId, { work: () => gate.passed })
      await queue.add([active])
      await eventually(() => handled.length === 1, 'the job to be under way')
      await queue.add([waiting])
      const asked = [unknown, active, otherLease, waiting, otherFunction]
      assert.deepEqual(await queue.missing(asked), [unknown, otherLease, otherFunction])
      gate.open()
      await eventually(
        async () => (await queue.missing([active, waiting])).length === 2,
        'handled jobs to be missing',
      )
      assert.deepEqual(await queue.missing([]), [])
    })

    test('missing answers for 500 jobs at once', async () => {
      const queue = await opened()
      const jobs = someJobs(500)
      await queue.add(jobs.filter((_, index) => index % 2 === 0))
      assert.deepEqual(
        await queue.missing(jobs),
        jobs.filter((_, index) => index % 2 === 1),
      )
    })

    test('counts tells waiting from active', async () => {
      const queue = await opened()
      const jobs = someJobs(5)
      const gate = aGate()
      assert.deepEqual(await queue.counts(functionOf(jobs)), { waiting: 0, active: 0 })
      await queue.consume({ functionId: functionOf(jobs), concurrency: 2, limit: null }, () => gate.passed)
      await queue.add(jobs)
      const counted = async (): Promise<string> => JSON.stringify(await queue.counts(functionOf(jobs)))
      await eventually(
        async () => (await counted()) === '{"waiting":3,"active":2}',
        'two of five to be active',
      )
      gate.open()
      await eventually(async () => (await counted()) === '{"waiting":0,"active":0}', 'none to be left')
    })

    test('work that is rejected stops nothing, and frees the job’s id', async () => {
      const queue = await opened()
      const job = aJob()
      const work = (): Promise<void> => Promise.reject(new Error('on purpose'))
      const { handled } = await handling(queue, job.functionId, { work })
      await queue.add([job])
      await eventually(async () => (await queue.missing([job])).length === 1, 'the job to be gone')
      await queue.add([job])
      await eventually(() => handled.length === 2, 'the job once more')
      await queue.add([aJob(job.functionId)])
      await eventually(() => handled.length === 3, 'another job')
    })

    test('stop takes no more, and waits for what is under way', async () => {
      const queue = await opened()
      const jobs = someJobs(6)
      const gate = aGate()
      let ended = 0
      const work = async (): Promise<void> => {
        await gate.passed
        ended++
      }
      const { handled, consumer } = await handling(queue, functionOf(jobs), { concurrency: 2, work })
      await queue.add(jobs)
      await eventually(() => handled.length === 2, 'two to be under way')
      let stopped = false
      const stops = Promise.all([consumer.stop(), consumer.stop()]).then(() => (stopped = true))
      // Long enough for a stop that does not wait to come back: a round trip to the backend.
      await queue.ping()
      assert.equal(stopped, false)
      gate.open()
      await stops
      assert.deepEqual([handled.length, ended], [2, 2])
      await consumer.stop()
      assert.deepEqual(await queue.counts(functionOf(jobs)), { waiting: 4, active: 0 })
    })

    test('a consumer started after another was stopped gets the rest', async () => {
      const queue = await opened()
      const jobs = someJobs(50)
      const first = await handling(queue, functionOf(jobs))
      await queue.add(jobs)
      await eventually(() => first.handled.length > 0, 'the first job')
      await first.consumer.stop()
      const second = await handling(queue, functionOf(jobs))
      await eventually(() => first.handled.length + second.handled.length >= jobs.length, 'the rest')
      assert.deepEqual(
        [...first.handled, ...second.handled].map(jobId).toSorted(),
        jobs.map(jobId).toSorted(),
      )
    })

    test('an idle consumer hears of each new job at once', async () => {
      const queue = await opened()
      const { functionId } = aJob()
      const { handled } = await handling(queue, functionId, { concurrency: 3 })
      for (let n = 1; n <= 20; n++) {
        await queue.add([aJob(functionId)])
        // Less than the time after which a consumer looks by itself.
        await eventually(() => handled.length === n, `job ${n}`, 2_000)
      }
    })

    test('a busy consumer keeps no wake-up from an idle one', shared, async () => {
      const [one, two] = await Promise.all([opened(), opened()])
      const { functionId } = aJob()
      const gate = aGate()
      const busy = await handling(one, functionId, { work: () => gate.passed })
      await one.add([aJob(functionId)])
      await eventually(() => busy.handled.length === 1, 'the first consumer to be busy')
      const idle = await handling(two, functionId)
      for (let n = 1; n <= 5; n++) {
        await one.add([aJob(functionId)])
        await eventually(() => idle.handled.length === n, `job ${n} on the idle one`, 2_000)
      }
      gate.open()
      assert.equal(busy.handled.length, 1)
    })

    test(
      'fifty functions need few connections',
      { skip: connections === undefined && 'it has none' },
      async () => {
        const queue = await opened()
        const functionIds = Array.from({ length: 50 }, () => aJob().functionId)
        const consumers = await Promise.all(functionIds.map((id) => handling(queue, id)))
        await queue.add(functionIds.map((id) => aJob(id)))
        await eventually(() => consumers.every(({ handled }) => handled.length === 1), 'a job for each')
        const count = await connections?.count()
        assert.ok(
          count !== undefined && count > 0 && count <= (connections?.max ?? 0),
          `${count} connections`,
        )
      },
    )

    test('2,000 jobs go through once each', async () => {
      const queue = await opened()
      const jobs = someJobs(2_000)
      const { handled } = await handling(queue, functionOf(jobs), { concurrency: 20 })
      await Promise.all(jobs.map((job) => queue.add([job])))
      await eventually(() => handled.length >= jobs.length, 'all jobs', 30_000)
      await eventually(async () => (await queue.counts(functionOf(jobs))).active === 0, 'none to be active')
      assert.deepEqual(handled.map(jobId).toSorted(), jobs.map(jobId).toSorted())
    })

    test('close waits for what is under way; a closed queue refuses', async () => {
      const queue = await opened()
      const job = aJob()
      const gate = aGate()
      let ended = false
      const work = async (): Promise<void> => {
        await gate.passed
        ended = true
      }
      const { handled } = await handling(queue, job.functionId, { work })
      await queue.add([job])
      await eventually(() => handled.length === 1, 'the job to be under way')
      const closed = queue.close()
      gate.open()
      await closed
      assert.equal(ended, true)
      await queue.close()
      const refused = { code: 'TPT_UNAVAILABLE' }
      await assert.rejects(queue.add([aJob()]), refused)
      await assert.rejects(queue.missing([job]), refused)
      await assert.rejects(queue.ping(), refused)
      await assert.rejects(queue.counts(job.functionId), refused)
      await assert.rejects(handling(queue, job.functionId), refused)
    })

    test('adding nothing is nothing, and ping answers', async () => {
      const queue = await opened()
      await queue.add([])
      const ms = await queue.ping()
      assert.ok(ms >= 0 && ms < 2_000, `${ms} ms`)
    })
  })
}

export function aJob(functionId = `test/${randomUUID()}`): Job {
  return { runId: newId('run'), functionId, lease: 0 }
}

/** Jobs of one function. */
export function someJobs(count: number): [Job, Job, Job, ...Job[]] {
  const { functionId } = aJob()
  return Array.from({ length: count }, () => aJob(functionId)) as [Job, Job, Job, ...Job[]]
}

function functionOf(jobs: readonly [Job, ...Job[]]): string {
  return jobs[0].functionId
}

export interface Handling {
  readonly consumer: Consumer
  /** What was handed out, in that order. */
  readonly handled: readonly Job[]
}

interface HandlingOptions {
  readonly concurrency?: number
  readonly limit?: number | null
  readonly work?: () => Promise<void>
}

export async function handling(
  queue: Queue,
  functionId: string,
  { concurrency = 1, limit = null, work }: HandlingOptions = {},
): Promise<Handling> {
  const handled: Job[] = []
  const consumer = await queue.consume({ functionId, concurrency, limit }, async (job) => {
    handled.push(job)
    await work?.()
  })
  return { consumer, handled }
}

function aGate(): { readonly passed: Promise<void>; open(): void } {
  let open = (): void => undefined
  const passed = new Promise<void>((resolve) => (open = resolve))
  return { passed, open: () => open() }
}

/** Work that ends when `count` are under way, and then at once. */
function untilManyAtOnce(count: number): {
  handled: Job[]
  work: (job: Job) => Promise<void>
  most: () => number
} {
  const handled: Job[] = []
  const gate = aGate()
  let running = 0
  let most = 0
  const work = async (job: Job): Promise<void> => {
    running++
    most = Math.max(most, running)
    if (running === count) gate.open()
    await gate.passed
    // One more turn, in which a job too many would show.
    await new Promise((resolve) => setImmediate(resolve))
    running--
    handled.push(job)
  }
  return { handled, work, most: () => most }
}
