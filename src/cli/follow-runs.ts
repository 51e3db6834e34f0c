import { setTimeout as sleep } from 'node:timers/promises'
import { isFinal } from '../store/run-state.ts'
import type { Cli } from './cli.ts'
import { runLine, type RunDetails, type SentRun } from './run-text.ts'
import type { Query, Server } from './server.ts'

const EVERY_MS = 500
const WINDOW = 200
/** Open runs that are not among the newest any more are asked for one by one, up to so many of them. */
const MAX_ASKED = 50

/** Prints each run that is new or has changed since it was last looked at. Ends only with the process. */
export async function followRuns(
  cli: Cli,
  server: Server,
  { state: wanted, ...filter }: Query,
): Promise<never> {
  let seen = await newest(server, filter)
  cli.note(cli.paint.dim('waiting for runs; Ctrl-C ends'))
  for (;;) {
    await sleep(EVERY_MS)
    const found = await newest(server, filter)
    const left = [...seen.values()]
      .filter(({ id, state }) => !found.has(id) && !isFinal(state))
      .slice(-MAX_ASKED)
    for (const run of await Promise.all(left.map(({ id }) => ask(server, id))))
      if (run) found.set(run.id, run)
    for (const run of [...found.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
      const changed = version(seen.get(run.id)) !== version(run)
      if (changed && (wanted === undefined || run.state === wanted))
        cli.line(run, () => runLine(run, cli.paint))
    }
    seen = found
  }
}

async function newest(server: Server, filter: Query): Promise<Map<string, SentRun>> {
  const { runs } = await server.get<{ readonly runs: readonly SentRun[] }>('/runs', {
    ...filter,
    limit: WINDOW,
  })
  return new Map(runs.map((run) => [run.id, run]))
}

/** Null when it has been retired meanwhile. */
async function ask(server: Server, id: string): Promise<SentRun | null> {
  return server.get<RunDetails>(`/runs/${id}`).then(
    ({ run }) => run,
    () => null,
  )
}

function version(run: SentRun | undefined): string | null {
  return run ? `${run.state} ${run.attempt} ${run.lease}` : null
}
