import type { Outcome } from '../harness/contest.ts'
import { closeAll, ownLoad, type RunGroup, showContest } from '../harness/group.ts'

const LEDGER = 'event and run, in Postgres, fsynced'
const POSTGRES = 'the job, in Postgres, fsynced'

/** A no-op from handing it in to its end, which for ours is the result in the ledger. */
export const throughput: RunGroup = async (servers, { seconds, rounds, quick }) => {
  const tappet = (engine: string, handOver: string) =>
    ['tappet', 'emitAndWorker', { engine, handOver }] as const
  const all = [
    await ownLoad(
      servers,
      { name: 'Tappet, all roles in one process', durability: LEDGER },
      tappet('redis', 'yes'),
    ),
    await ownLoad(servers, { name: 'Tappet, through Redis', durability: LEDGER }, tappet('redis', 'no')),
    await ownLoad(
      servers,
      { name: 'Tappet, through Postgres', durability: LEDGER },
      tappet('postgres', 'no'),
    ),
    await ownLoad(
      servers,
      {
        name: 'BullMQ on Redis',
        durability: 'nothing yet: the job is in Redis, whose AOF is fsynced every second',
      },
      ['bullmq', 'addAndWorker'],
    ),
    await ownLoad(servers, { name: 'graphile-worker', durability: POSTGRES }, [
      'graphile-worker',
      'addAndRun',
    ]),
    await ownLoad(servers, { name: 'pg-boss, woken', durability: POSTGRES }, ['pg-boss', 'sendAndWork']),
    await ownLoad(servers, { name: 'DBOS queue, polled each 10 ms', durability: POSTGRES }, [
      'dbos',
      'enqueueWorkflow',
    ]),
  ]
  const outcomes: Outcome[] = []
  try {
    for (const bytes of quick ? [100] : [100, 1_000, 64_000]) {
      for (const inFlight of quick ? [1, 50] : [1, 50, 500]) {
        const title = `${bytes.toLocaleString('en')} bytes, ${inFlight} in flight`
        const load = { seconds, inFlight, bytes }
        outcomes.push(await showContest(all, { title, load, rounds, headline: 'perSecond' }, servers))
      }
    }
  } finally {
    await closeAll(all)
  }
  return outcomes
}
