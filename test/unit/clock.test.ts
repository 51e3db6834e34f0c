import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startClock } from '../../src/app/clock.ts'

const DATABASE_MS = Date.UTC(2026, 10, 26)

/** A database that is right, and knows how often it was asked. */
function database() {
  const started = performance.now()
  const nowMs = (): number => DATABASE_MS + performance.now() - started
  const asked = { times: 0, away: false }
  const ping = async () => {
    asked.times++
    if (asked.away) throw new Error('away')
    return { ms: 0, databaseMs: nowMs(), clockOffsetMs: 0 }
  }
  return { nowMs, asked, ping }
}

function isNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 100, `${actual - expected} ms off`)
}

for (const jumpMs of [3_600_000, -3_600_000]) {
  test(`a clock that was set by ${jumpMs / 60_000} minutes tells the database’s time at once`, async (t) => {
    const { nowMs, asked, ping } = database()
    const clock = await startClock({ ping })
    try {
      isNear(await clock.nowMs(), nowMs())
      t.mock.timers.enable({ apis: ['Date'], now: Date.now() + jumpMs })
      const before = asked.times
      const told = await Promise.all([clock.nowMs(), clock.nowMs(), clock.nowMs()])
      for (const ms of told) isNear(ms, nowMs())
      assert.equal(asked.times, before + 1, 'the database is asked once')
    } finally {
      await clock.stop()
    }
  })
}

test('a clock that was set while the database is away goes on as before', async (t) => {
  const { nowMs, asked, ping } = database()
  const clock = await startClock({ ping })
  try {
    asked.away = true
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 3_600_000 })
    isNear(await clock.nowMs(), nowMs())
  } finally {
    await clock.stop()
  }
})
