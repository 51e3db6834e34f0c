import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Edit, sabotaged } from '../support/sabotage.ts'
import { runTrial } from './trial.ts'

/** A promise that is broken on purpose, in a copy of the program, and how the harness must notice. */
interface Sabotage extends Edit {
  readonly name: string
  readonly engine: 'redis' | 'postgres'
  readonly faults: readonly string[]
  readonly noticed: RegExp
  /** Between two faults, on average. Default that of every trial. */
  readonly gapMs?: number
}

const SABOTAGES: readonly Sabotage[] = [
  {
    name: 'acknowledges before the ledger has committed',
    file: 'broker.js',
    replace: 'store.accept({',
    by: `((event) => {
            const runs = event.runs.map(({ worker, ...run }) => run);
            setTimeout(() => store.accept({ ...event, runs }).then(({ jobs }) => dispatcher.enqueue(jobs)).catch(() => undefined), 300);
            return Promise.resolve({ eventId: event.id, runIds: event.runs.map((run) => run.id), duplicate: false, jobs: [], claims: [] });
        })({`,
    engine: 'postgres',
    faults: ['kill a broker'],
    noticed: /^acknowledged and lost/,
  },
  {
    name: 'deletes from the outbox before the rows are in the ledger',
    file: 'outbox/drain.js',
    replace: 'const full = isFull(taken);',
    by: `const full = isFull(taken);
        await client.query('commit and chain');
        await new Promise((resolve) => setTimeout(resolve, 2_000));`,
    engine: 'postgres',
    faults: ['kill a broker'],
    // Kills that come faster hit processes that are starting, which hold no rows.
    gapMs: 2_000,
    noticed: /^acknowledged and lost: (row|sql)/,
  },
  {
    name: 'never adds again what the queue has lost',
    file: 'worker/dispatcher.js',
    replace: 'await addMissing(stop);',
    by: '',
    engine: 'redis',
    faults: ['empty Redis', 'crash Redis, empty afterwards'],
    noticed: /^(did not drain|acknowledged and lost)/,
  },
]

const EVENTS = 1_500
const FAULTS = 8

/** Whether the harness notices each of them. What it does not notice, it could not have proven. */
export async function selfTest(seed: number): Promise<boolean> {
  let good = true
  for (const sabotage of SABOTAGES) {
    const { name, engine, faults, noticed, gapMs } = sabotage
    const folder = await mkdtemp(join(tmpdir(), 'tappet-sabotage-'))
    try {
      const cli = await sabotaged(folder, [sabotage])
      const roles = ['broker', 'broker', 'worker'] as const
      const options = { engine, cli, roles, seed, events: EVENTS, faults: FAULTS, batch: 10, only: faults }
      const gap = gapMs === undefined ? {} : { gapMs }
      const { verdict } = await runTrial({ ...options, ...gap, drainMs: 8_000 })
      const found = verdict.wrong.filter((line) => noticed.test(line))
      console.log(`${found.length > 0 ? '✔' : '✖'} a program that ${name}: ${found.length} times noticed`)
      for (const line of found.length > 0 ? found.slice(0, 1) : verdict.wrong.slice(0, 5))
        console.log(`    ${line}`)
      good &&= found.length > 0
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  return good
}
