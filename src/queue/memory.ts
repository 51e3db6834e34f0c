import { type ConsumeOptions, type Consumer, type Job, jobId, type Queue, type Work } from './queue.ts'
import { TappetError } from '../errors.ts'

/** A queue within this process that forgets everything when the process ends. For tests, and to read the port by. */
export function createMemoryQueue(): Queue {
  const lanes = new Map<string, Lane>()
  const consumers = new Set<Consumer>()
  let closed = false

  const laneOf = (functionId: string): Lane => {
    const lane = lanes.get(functionId) ?? createLane()
    lanes.set(functionId, lane)
    return lane
  }
  const checkOpen = (): void => {
    if (closed) throw new TappetError('TPT_UNAVAILABLE', 'expected an open queue, got one that was closed')
  }

  return {
    engine: 'memory',
    async add(jobs) {
      checkOpen()
      for (const job of jobs) laneOf(job.functionId).add(job)
    },
    async missing(jobs) {
      checkOpen()
      return jobs.filter((job) => !laneOf(job.functionId).holds(job))
    },
    async consume(options, work) {
      checkOpen()
      const consumer = laneOf(options.functionId).consume(options, work)
      consumers.add(consumer)
      return consumer
    },
    async counts(functionId) {
      checkOpen()
      return laneOf(functionId).counts()
    },
    onReconnect: () => () => undefined,
    async ping() {
      checkOpen()
      return 0
    },
    async close() {
      closed = true
      await Promise.all([...consumers].map((consumer) => consumer.stop()))
    },
  }
}

/** The jobs and consumers of one function. */
interface Lane {
  add(job: Job): void
  holds(job: Job): boolean
  consume(options: ConsumeOptions, work: Work): Consumer
  counts(): { readonly waiting: number; readonly active: number }
}

interface Hand {
  readonly concurrency: number
  readonly work: Work
  readonly underWay: Set<Promise<void>>
}

function createLane(): Lane {
  const waiting = new Map<string, Job>()
  const active = new Set<string>()
  const hands = new Set<Hand>()
  let limit: number | null = null

  const handle = async (job: Job, hand: Hand): Promise<void> => {
    try {
      await hand.work(job)
    } catch {
      // The ledger has the record.
    }
    active.delete(jobId(job))
  }
  const give = (): void => {
    for (const [id, job] of waiting) {
      const hand = [...hands].find(({ underWay, concurrency }) => underWay.size < concurrency)
      if (hand === undefined || (limit !== null && active.size >= limit)) return
      waiting.delete(id)
      active.add(id)
      const handled = handle(job, hand).then(() => {
        hand.underWay.delete(handled)
        give()
      })
      hand.underWay.add(handled)
    }
  }

  return {
    add(job) {
      const id = jobId(job)
      if (waiting.has(id) || active.has(id)) return
      const { first, ...rest } = job
      const behind = first === true ? [...waiting] : []
      if (first === true) waiting.clear()
      waiting.set(id, rest)
      for (const [other, each] of behind) waiting.set(other, each)
      give()
    },
    holds: (job) => waiting.has(jobId(job)) || active.has(jobId(job)),
    consume(options, work) {
      const hand = { concurrency: options.concurrency, work, underWay: new Set<Promise<void>>() }
      limit = options.limit
      hands.add(hand)
      give()
      return {
        async stop() {
          hands.delete(hand)
          await Promise.all(hand.underWay)
        },
      }
    },
    counts: () => ({ waiting: waiting.size, active: active.size }),
  }
}
