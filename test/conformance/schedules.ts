import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Advance, DueSchedule, Schedules, ScheduleSpec } from '../../src/triggers/cron/schedules.ts'

export interface SchedulesHarness {
  readonly schedules: Schedules
  /** Of the backend: what `fireDue` goes by. */
  now(): Promise<Date>
  /** Lets so much time pass: moves the clock, or everything that is stored back. */
  pass(ms: number): Promise<void>
  /** Makes a run of the trigger in this state. */
  addRun(functionId: string, index: number, state: string): Promise<void>
  close(): Promise<void>
}

const MINUTE = 60_000

/** Ticks at each full minute. */
function everyMinute(id: string, spec = 'v1'): ScheduleSpec {
  const after = (instant: Date): Date => new Date(Math.floor(instant.getTime() / MINUTE + 1) * MINUTE)
  return { id, functionId: id.split('#')[0] ?? id, expression: '* * * * *', timezone: 'UTC', spec, after }
}

/** What every keeper of schedules does. */
export function schedulesConformance(name: string, open: () => Promise<SchedulesHarness>): void {
  describe(name, () => {
    let at: SchedulesHarness
    let schedules: Schedules
    const a = everyMinute('a#0')
    const b = everyMinute('b#0')
    const row = async (id: string) => (await schedules.list()).find((found) => found.id === id)
    const advance = ({ nextAt, now }: DueSchedule): Advance => ({
      nextAt: a.after(now),
      previousAt: nextAt,
      skipped: 0,
      missed: null,
    })
    const collect = (into: DueSchedule[]) => async (due: DueSchedule) => {
      into.push(due)
      return advance(due)
    }

    beforeEach(async () => {
      at = await open()
      schedules = at.schedules
    })
    afterEach(() => at.close())

    test('a new schedule begins with the next tick, and is not due', async () => {
      const before = await at.now()
      await schedules.sync([a, b])
      const next = (await row('a#0'))?.nextAt
      assert.ok(
        next && next > before && next.getTime() - before.getTime() <= MINUTE + 1_000,
        `${next?.toISOString()}`,
      )
      const { functionId, expression, timezone, spec, previousAt, skipped, served } = (await row('b#0')) ?? {}
      assert.deepEqual(
        { functionId, expression, timezone, spec, previousAt, skipped, served },
        {
          functionId: 'b',
          expression: '* * * * *',
          timezone: 'UTC',
          spec: 'v1',
          previousAt: null,
          skipped: 0,
          served: true,
        },
      )
      const fired: DueSchedule[] = []
      const far = everyMinute('far#0')
      await schedules.sync([{ ...far, after: (now) => new Date(now.getTime() + 3_600_000) }])
      const ms = await schedules.fireDue([far], collect(fired))
      assert.deepEqual(fired, [])
      assert.ok(ms !== null && ms > 3_590_000 && ms <= 3_600_000, `${ms}`)
    })

    test('nothing to wait for is null', async () => {
      assert.equal(await schedules.fireDue([], async () => assert.fail()), null)
      assert.equal(await schedules.fireDue([a], async () => assert.fail()), null)
      await schedules.sync([{ ...a, after: () => null }])
      assert.equal(await schedules.fireDue([a], async () => assert.fail()), null)
      assert.equal((await row('a#0'))?.nextAt, null)
    })

    test('a due schedule is fired once, and what fire answers is stored', async () => {
      await schedules.sync([a])
      const first = (await row('a#0'))?.nextAt
      await at.pass(10 * MINUTE)
      const fired: DueSchedule[] = []
      const ms = await schedules.fireDue([a], async (due) => {
        fired.push(due)
        return { nextAt: a.after(due.now), previousAt: due.nextAt, skipped: 3, missed: null }
      })
      const [due, second] = fired
      assert.equal(second, undefined)
      assert.ok(due && first && due.nextAt <= due.now && due.previousAt === null)
      assert.ok(ms !== null && ms > 0 && ms <= MINUTE, `${ms}`)
      const after = await row('a#0')
      assert.deepEqual(after?.previousAt, due.nextAt)
      assert.deepEqual(after?.nextAt, a.after(due.now))
      assert.equal(after?.skipped, 3)
      await at.pass(2 * MINUTE)
      await schedules.fireDue([a], async (again) => {
        assert.ok(again.previousAt)
        return { ...advance(again), skipped: 4 }
      })
      assert.equal((await row('a#0'))?.skipped, 7)
    })

    test('ticks that were missed are known, the last found first, so many of each', async () => {
      await schedules.sync([a, b])
      assert.deepEqual(await schedules.missed(10), [])
      const late = (count: number) => async (due: DueSchedule) => ({
        ...advance(due),
        missed: {
          ...{ first: due.nextAt, last: new Date(due.nextAt.getTime() + count * MINUTE), count, made: 1 },
          ...({ catchUp: 'latest', busy: false } as const),
        },
      })
      for (const count of [1, 2, 3]) {
        await at.pass(10 * MINUTE)
        await schedules.fireDue([a], late(count))
      }
      await schedules.fireDue([b], late(7))
      const found = await schedules.missed(2)
      assert.deepEqual(
        found.map(({ schedule, count }) => [schedule, count]),
        [
          ['b#0', 7],
          ['a#0', 3],
          ['a#0', 2],
        ],
      )
      const { first, last, made, catchUp, busy, foundAt } = found[1] ?? assert.fail()
      assert.deepEqual({ made, catchUp, busy }, { made: 1, catchUp: 'latest', busy: false })
      assert.equal(last.getTime() - first.getTime(), 3 * MINUTE)
      assert.ok(foundAt >= first)
      await at.pass(10 * MINUTE)
      await assert.doesNotReject(schedules.fireDue([a], async () => Promise.reject(new Error('no'))))
      assert.equal((await schedules.missed(10)).length, 4, 'nothing is written when nothing goes on')
    })

    test('many that are due at once are fired in one call', async () => {
      const many = Array.from({ length: 250 }, (_, i) => everyMinute(`many#${i}`))
      await schedules.sync(many)
      await at.pass(2 * MINUTE)
      const fired: DueSchedule[] = []
      await schedules.fireDue(many, collect(fired))
      assert.equal(new Set(fired.map(({ id }) => id)).size, 250)
      assert.equal(fired.length, 250)
    })

    test('one that fails stays due; the others go on', async () => {
      await schedules.sync([a, b])
      await at.pass(5 * MINUTE)
      const before = await row('a#0')
      const fire = async (due: DueSchedule) => {
        if (due.id === 'a#0') throw new Error('no ledger')
        return advance(due)
      }
      await schedules.fireDue([a, b], fire)
      assert.deepEqual(await row('a#0'), before)
      assert.ok((await row('b#0'))?.previousAt)
      const fired: DueSchedule[] = []
      await schedules.fireDue([a, b], collect(fired))
      assert.deepEqual(
        fired.map(({ id }) => id),
        ['a#0'],
      )
    })

    test('while one call holds a schedule, others neither fire it nor wait for it', async () => {
      await schedules.sync([a, b])
      await at.pass(5 * MINUTE)
      const fired: DueSchedule[] = []
      await schedules.fireDue([a], async (due) => {
        await schedules.fireDue([a, b], collect(fired))
        return advance(due)
      })
      assert.deepEqual(
        fired.map(({ id }) => id),
        ['b#0'],
      )
    })

    test('declared again with the same spec, it goes on where it was', async () => {
      await schedules.sync([a])
      await at.pass(10 * MINUTE)
      const before = await row('a#0')
      await schedules.sync([a])
      assert.deepEqual((await row('a#0'))?.nextAt, before?.nextAt)
      assert.equal((await row('a#0'))?.served, true)
    })

    test('another spec starts anew, without past ticks, and belongs to those who have it', async () => {
      await schedules.sync([a])
      await at.pass(2 * MINUTE)
      await schedules.fireDue([a], async (due) => ({ ...advance(due), skipped: 5 }))
      await at.pass(10 * MINUTE)
      const changed = everyMinute('a#0', 'v2')
      await schedules.sync([changed])
      const { nextAt, previousAt, skipped, spec } = (await row('a#0')) ?? {}
      assert.ok(nextAt && nextAt > new Date((await at.now()).getTime() - 1_000))
      assert.deepEqual({ previousAt, skipped, spec }, { previousAt: null, skipped: 0, spec: 'v2' })
      await at.pass(10 * MINUTE)
      assert.equal(await schedules.fireDue([a], async () => assert.fail('v1 must not fire v2')), null)
      const fired: DueSchedule[] = []
      await schedules.fireDue([changed], collect(fired))
      assert.equal(fired.length, 1)
    })

    test('keep: leaves a spec that is served alone, takes one that is not, adds what is missing', async () => {
      const changed = everyMinute('a#0', 'v2')
      await schedules.sync([changed])
      await at.pass(40_000)
      await schedules.keep([changed])
      await at.pass(40_000)
      await schedules.keep([a, b])
      assert.equal((await row('a#0'))?.spec, 'v2', 'kept 40 s ago')
      assert.equal((await row('b#0'))?.spec, 'v1')
      await at.pass(61_000)
      assert.equal((await row('a#0'))?.served, false)
      await schedules.keep([a])
      const taken = await row('a#0')
      assert.equal(taken?.spec, 'v1')
      assert.ok(taken?.nextAt && taken.nextAt > new Date((await at.now()).getTime() - 1_000), 'no past ticks')
    })

    test('what nobody has kept for a week is removed, what is declared now is not', async () => {
      await schedules.sync([a, b])
      await at.pass(8 * 86_400_000)
      const before = await row('a#0')
      await schedules.sync([a])
      assert.equal(await row('b#0'), undefined)
      assert.deepEqual((await row('a#0'))?.nextAt, before?.nextAt)
    })

    test('busy: a run of this trigger that is not over', async () => {
      assert.equal(await schedules.busy('f', 0), false)
      for (const state of ['completed', 'dead', 'cancelled']) await at.addRun('f', 0, state)
      await at.addRun('f', 1, 'running')
      await at.addRun('g', 0, 'running')
      assert.equal(await schedules.busy('f', 0), false)
      assert.equal(await schedules.busy('f', 1), true)
      for (const [index, state] of ['accepted', 'queued', 'running', 'retrying'].entries()) {
        await at.addRun('h', index, state)
        assert.equal(await schedules.busy('h', index), true, state)
      }
    })

    test('the list is in the order in which they are due', async () => {
      const later = { ...everyMinute('later#0'), after: (now: Date) => new Date(now.getTime() + 3_600_000) }
      const never = { ...everyMinute('a-never#0'), after: () => null }
      await schedules.sync([never, later, a])
      assert.deepEqual(
        (await schedules.list()).map(({ id }) => id),
        ['a#0', 'later#0', 'a-never#0'],
      )
    })
  })
}
