import { contest, type Case, type Contestant, type Outcome, startSide } from './contest.ts'
import { toTable } from './report.ts'
import type { Servers } from './servers.ts'

/** How long and how often. */
export interface Effort {
  readonly seconds: number
  readonly rounds: number
  readonly quick: boolean
}

export type RunGroup = (servers: Servers, effort: Effort) => Promise<readonly Outcome[]>

/** Shows each table as soon as it is known. */
export async function showContest(
  all: readonly Contestant[],
  asked: Case,
  servers: Servers,
): Promise<Outcome> {
  const outcome = await contest(all, asked, servers)
  console.log(toTable(outcome))
  return outcome
}

/** One that makes its own load, in its process. */
export async function ownLoad(
  servers: Servers,
  names: { readonly name: string; readonly durability: string },
  [file, side, more = {}]: readonly [string, string, Readonly<Record<string, string>>?],
): Promise<Contestant> {
  const { pid, turn, close } = await startSide(servers, file, side, more)
  return { ...names, pids: [pid], turn, close }
}

export async function closeAll(all: readonly Contestant[]): Promise<void> {
  for (const one of all) await one.close()
}
