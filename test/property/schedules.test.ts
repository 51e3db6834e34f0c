import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { CronTrigger } from '../../src/triggers/cron/declare.ts'
import { createMemorySchedules } from '../../src/triggers/cron/memory-schedules.ts'
import {
  decide,
  GRACE_MS,
  MAX_CATCH_UP,
  parseCron,
  type Ticks,
  ticksBetween,
} from '../../src/triggers/cron/next.ts'
import type { Advance, DueSchedule } from '../../src/triggers/cron/schedules.ts'
import { propertyRuns } from '../support/property.ts'

const START = Date.UTC(2026, 2, 28, 23, 0, 0)
const WINDOW_MS = 3_600_000

const expression = fc.constantFrom('* * * * * *', '*/7 * * * * *', '*/5 * * * *', '30 2 * * *', '0 0 1 * *')
const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/Havana', 'Australia/Lord_Howe')
const catchUp = fc.constantFrom<CronTrigger['catchUp']>('skip', 'latest', 'all')
/** How long until somebody looks again, ms. */
const waits = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.nat(2_000) },
    { weight: 4, arbitrary: fc.nat(60_000) },
    { weight: 1, arbitrary: fc.nat(2 * WINDOW_MS) },
    { weight: 1, arbitrary: fc.nat(40 * 86_400_000) },
  ),
  { maxLength: 5 },
)

test('G7: every tick is decided once, none early, and which are made up for is as declared', () => {
  fc.assert(
    fc.property(expression, zone, catchUp, waits, (text, timezone, policy, gaps) => {
      const ticks = parseCron(text, timezone)
      let now = START
      let next = ticks.after(new Date(now))
      const fired: Date[] = []
      for (const gap of gaps) {
        now += gap
        if (next === null || next.getTime() > now) continue
        const at = new Date(now)
        const decision = decide(ticks, { next, now: at, catchUp: policy, windowMs: WINDOW_MS })
        const due = ticksBetween(ticks, next, at, 1_000)
        assert.equal(decision.fire.length + decision.skipped, due.length)
        assert.ok((decision.next?.getTime() ?? Infinity) > now, 'what comes next is yet to come')
        const graceStart = new Date(Math.max(next.getTime(), now - GRACE_MS))
        const onTime = ticksBetween(ticks, graceStart, at, 1_000)
        checkPolicy(policy, decision.fire, { ticks, due, onTime, now })
        fired.push(...decision.fire)
        next = decision.next
      }
      const times = fired.map((tick) => tick.getTime())
      assert.deepEqual(
        times,
        [...new Set(times)].toSorted((a, b) => a - b),
        'in order, each once',
      )
    }),
    propertyRuns(),
  )
})

interface Seen {
  readonly ticks: Ticks
  readonly onTime: readonly Date[]
  readonly due: readonly Date[]
  readonly now: number
}

function checkPolicy(
  policy: CronTrigger['catchUp'],
  fire: readonly Date[],
  { ticks, due, onTime, now }: Seen,
): void {
  const age = (tick: Date): number => now - tick.getTime()
  for (const tick of fire) assert.ok(age(tick) >= 0 && age(tick) <= Math.max(WINDOW_MS, GRACE_MS))
  assert.ok(fire.length <= MAX_CATCH_UP)
  for (const tick of onTime)
    assert.ok(
      fire.some((one) => one.getTime() === tick.getTime()),
      'it was on time',
    )
  if (policy === 'skip') assert.equal(fire.length, onTime.length)
  if (policy === 'all' && due.length < MAX_CATCH_UP)
    assert.equal(fire.length, due.filter((tick) => age(tick) <= WINDOW_MS).length)
  if (policy === 'latest' && onTime.length === 0) {
    assert.ok(fire.length <= 1)
    for (const tick of fire)
      assert.deepEqual(ticksBetween(ticks, new Date(tick.getTime() + 1), new Date(now), 1), [], 'the newest')
  }
}

test('G7: any number of processes, some dying in mid-tick, make each tick once', async () => {
  const act = fc.record({ node: fc.nat(2), passMs: fc.nat(2_500), dies: fc.boolean() })
  const property = fc.asyncProperty(
    fc.scheduler(),
    fc.array(act, { maxLength: 12 }),
    async (scheduler, acts) => {
      let now = START
      const schedules = createMemorySchedules({ now: () => new Date(now) })
      const ticks = parseCron('* * * * * *', 'UTC')
      const spec = {
        ...{ id: 'f#0', functionId: 'f', expression: '* * * * * *', timezone: 'UTC', spec: 'v1' },
        ...ticks,
      }
      const events = new Map<string, number>()
      const fireBy =
        (dies: boolean) =>
        async (due: DueSchedule): Promise<Advance> => {
          const decision = decide(ticks, {
            next: due.nextAt,
            now: due.now,
            catchUp: 'all',
            windowMs: WINDOW_MS,
          })
          for (const tick of decision.fire) {
            await scheduler.schedule(Promise.resolve(), 'emit')
            assert.ok(tick.getTime() <= now, 'a tick came early')
            events.set(tick.toISOString(), (events.get(tick.toISOString()) ?? 0) + 1)
            if (dies) throw new Error('killed between the event and the advance')
          }
          await scheduler.schedule(Promise.resolve(), 'advance')
          return {
            nextAt: decision.next,
            previousAt: decision.fire.at(-1) ?? due.previousAt,
            skipped: decision.skipped,
            missed: null,
          }
        }
      await schedules.sync([spec])
      const sequence = scheduler.scheduleSequence(
        acts.map(({ passMs, dies }) => async () => {
          now += passMs
          void schedules.fireDue([spec], fireBy(dies))
        }),
      )
      await scheduler.waitAll()
      assert.ok(sequence.done)
      // Somebody who lives looks at the end.
      const last = schedules.fireDue([spec], fireBy(false))
      await scheduler.waitFor(last)
      const wanted = ticksBetween(ticks, new Date(START + 1), new Date(now), 10_000).map((tick) =>
        tick.toISOString(),
      )
      assert.deepEqual([...events.keys()].toSorted(), wanted)
      const deaths = acts.filter(({ dies }) => dies).length
      const repeats = [...events.values()].reduce((sum, count) => sum + count - 1, 0)
      assert.ok(repeats <= deaths, `${repeats} repeats of ${deaths} deaths`)
    },
  )
  await fc.assert(property, propertyRuns())
})
