import { EventEmitter } from 'node:events'
import pg from 'pg'
import type { OpenSide, SideOptions } from '../harness/side.ts'
import { loadPeer } from '../peers/load.ts'
import { reporter } from './report.ts'

interface Runner {
  addJob(task: string, payload: unknown): Promise<{ readonly id: string }>
  stop(): Promise<void>
}
interface GraphileWorker {
  readonly Logger: new (factory: () => () => void) => unknown
  run(options: {
    readonly connectionString: string
    readonly concurrency: number
    readonly maxPoolSize: number
    readonly noHandleSignals: boolean
    readonly logger: unknown
    readonly events: EventEmitter
    readonly taskList: Readonly<Record<string, (payload: unknown) => void>>
  }): Promise<Runner>
}

async function start(
  { databaseUrl }: SideOptions,
  task: (payload: unknown) => void,
): Promise<{ readonly runner: Runner; readonly events: EventEmitter }> {
  const { run, Logger } = await loadPeer<GraphileWorker>('graphile-worker')
  const events = new EventEmitter()
  const runner = await run({
    connectionString: databaseUrl,
    ...{ concurrency: 50, maxPoolSize: 20, noHandleSignals: true, events },
    logger: new Logger(() => () => undefined),
    taskList: { task },
  })
  return { runner, events }
}

/** `addJob` and a runner in one process. */
export const addAndRun: OpenSide = async (options) => {
  const { runner, events } = await start(options, () => undefined)
  const waiting = new Map<string, () => void>()
  const early = new Set<string>()
  events.on('job:complete', ({ job: { id } }: { job: { id: string } }) => {
    const end = waiting.get(id)
    if (end) end()
    else early.add(id)
    waiting.delete(id)
  })
  return {
    async once(bytes) {
      const { id } = await runner.addJob('task', { text: 'x'.repeat(bytes - 12) })
      if (!early.delete(id)) await new Promise<void>((resolve) => waiting.set(id, resolve))
    },
    close: () => runner.stop(),
  }
}

/** `graphile_worker.add_job` in a trigger on the table `rows`, and a runner. */
export const fromTrigger: OpenSide = async (options) => {
  const report = reporter(options.folder)
  const { runner } = await start(options, (payload) => report(payload as { sent: number }))
  const client = new pg.Client(options.databaseUrl)
  await client.connect()
  await client.query(`
    create function add_row_job() returns trigger language plpgsql as $$
      begin perform graphile_worker.add_job('task', to_json(new)); return null; end $$;
    create trigger add_row_job after insert or update on rows for each row execute function add_row_job()`)
  await client.end()
  return { close: () => runner.stop() }
}
