import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createLowWater } from '../../src/outbox/low-water.ts'
import { propertyRuns } from '../support/property.ts'

/** What happens to an outbox, one step at a time. */
interface Step {
  readonly kind: 'begin' | 'write' | 'commit' | 'rollback' | 'take' | 'look' | 'reset'
  /** Which of the open transactions. */
  readonly which: number
}

interface Transaction {
  readonly xid: bigint
  readonly rows: number[]
}

const KINDS = { begin: 3, write: 6, commit: 3, rollback: 1, take: 6, look: 6, reset: 1 } as const
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    ...Object.entries(KINDS).map(([kind, weight]) => ({
      weight,
      arbitrary: fc.constant(kind as Step['kind']),
    })),
  ),
  which: fc.nat(7),
})

/** A table that several transactions write, with Postgres' rules: ids in order of writing, seen in order of commit. */
function createTable() {
  let nextId = 1
  let nextXid = 1n
  const open: Transaction[] = []
  const committed: number[] = []
  const visible = new Set<number>()
  const end = (n: number): Transaction | undefined => open.splice(n % Math.max(1, open.length), 1)[0]
  return {
    open,
    committed,
    visible,
    begin: (_: number) => void open.push({ xid: nextXid++, rows: [] }),
    write: (n: number) => void open[n % Math.max(1, open.length)]?.rows.push(nextId++),
    rollback: (n: number) => void end(n),
    commit(n: number) {
      for (const id of end(n)?.rows ?? []) {
        visible.add(id)
        committed.push(id)
      }
    },
    snapshot: () => ({
      xmin: open.reduce((min, { xid }) => (xid < min ? xid : min), nextXid),
      xmax: nextXid,
    }),
  }
}

test('no row is passed over by the low-water mark, whoever commits when', () => {
  fc.assert(
    fc.property(fc.array(step, { size: '+1', maxLength: 200 }), (steps) => {
      const low = createLowWater()
      const table = createTable()
      const taken: number[] = []
      const take = (): void => {
        const found = [...table.visible].filter((id) => id >= low.id).toSorted((a, b) => a - b)
        const batch = found.slice(0, 3)
        for (const id of batch) table.visible.delete(id)
        taken.push(...batch)
        if (batch.length < 3) low.emptied()
        if (batch.length > 0) low.drained(batch.at(-1) ?? 0)
      }
      const look = (): void => {
        const waiting = [...table.visible].some((id) => id >= low.id)
        low.seen(table.snapshot())
        if (!waiting) low.emptied()
      }
      const act = (one: Step): void => {
        if (one.kind === 'take') take()
        else if (one.kind === 'look') look()
        else if (one.kind === 'reset') low.reset()
        else table[one.kind](one.which)
        const hidden = [...table.visible, ...table.open.flatMap(({ rows }) => rows)].filter(
          (id) => id < low.id,
        )
        assert.deepEqual(hidden, [], 'rows below the mark would never be found')
      }
      for (const one of steps) act(one)
      while (table.open.length > 0) act({ kind: 'commit', which: 0 })
      for (let round = 0; round < 500 && table.visible.size > 0; round++) act({ kind: 'take', which: 0 })
      assert.deepEqual(
        taken.toSorted((a, b) => a - b),
        table.committed.toSorted((a, b) => a - b),
      )
    }),
    propertyRuns(),
  )
})
