import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Contestant, startSide } from '../harness/contest.ts'
import { closeAll, type RunGroup, showContest } from '../harness/group.ts'
import { quantiles } from '../harness/side.ts'
import { startTappet } from '../harness/tappet.ts'
import { now, REPORT } from '../sides/report.ts'

const PERIOD_SECONDS = 20

/** Each side has seconds of its own, five apart: its 1,000 are due together and nobody else's with them. */
const secondsFrom = (offset: number): string => `${offset},${offset + 20},${offset + 40}`

/** One function with many schedules: they differ in what makes no difference. */
function functionWith(count: number, offset: number): string {
  return `import { appendFileSync } from 'node:fs'
import { cron, defineFunction } from 'tappet'
const zones = Intl.supportedValuesOf('timeZone')
const minutes = ['*', '*/1', '0-59', '0-58,59', '0-57,58,59']
const on = minutes.flatMap((minute) => zones.map((timezone) => cron('${secondsFrom(offset)} ' + minute + ' * * * *', { timezone })))
const now = (): number => performance.timeOrigin + performance.now()
export default defineFunction({ on: on.slice(0, ${count}) }, () => appendFileSync('${REPORT}', now() + ' 0\\n'))
`
}

/** How long after the second the function is called, when 1,000 schedules are due in it. */
export const cron: RunGroup = async (servers, { rounds, quick }) => {
  const count = quick ? 100 : 1_000
  const side = async (
    name: string,
    which: string,
    offset: number,
    durability: string,
  ): Promise<Contestant> => {
    const more = { expression: `${secondsFrom(offset)} * * * * *`, count: String(count) }
    const { pid, close, options } = await startSide(servers, 'cron', which, more)
    return burst({ name, durability, pids: [pid], close, folder: options.folder, offset, count })
  }
  const tappet = await startTappet(servers, { 'tick.ts': functionWith(count, 0) })
  const ledger = 'tick, event and run, in Postgres, fsynced'
  const all = [
    burst({ ...tappet, name: 'Tappet', durability: ledger, pids: [tappet.pid], offset: 0, count }),
    await side('croner, timers in a process', 'timers', 5, 'nothing'),
    await side(
      'BullMQ job schedulers',
      'jobSchedulers',
      10,
      'the job is in Redis, whose AOF is fsynced every second',
    ),
  ]
  try {
    const title = `${count.toLocaleString('en')} schedules due in the same second`
    const load = { seconds: PERIOD_SECONDS, inFlight: count, bytes: 0 }
    return [await showContest(all, { title, load, rounds, headline: 'p99' }, servers)]
  } finally {
    await closeAll(all)
  }
}

interface Burst extends Omit<Contestant, 'turn' | 'ready'> {
  readonly folder: string
  readonly offset: number
  readonly count: number
}

const AHEAD_MS = 1_500

function burst({ name, durability, pids, close, folder, offset, count }: Burst): Contestant {
  const path = join(folder, REPORT)
  const nextDue = (): number => {
    const period = PERIOD_SECONDS * 1_000
    return Math.ceil((now() - offset * 1_000 + AHEAD_MS / 2) / period) * period + offset * 1_000
  }
  return {
    ...{ name, durability, pids, close },
    ready: () => sleep(Math.max(0, nextDue() - AHEAD_MS - now())),
    async turn() {
      const due = nextDue()
      writeFileSync(path, '')
      const until = due + 10_000
      let late: readonly number[] = []
      while (late.length < count && now() < until) {
        await sleep(50)
        const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
        late = lines.map((line) => Number(line.split(' ')[0]) - due).filter((ms) => ms >= 0)
      }
      return { count: late.length, heard: late.length, ...quantiles(late), last: Math.max(0, ...late) }
    },
  }
}
