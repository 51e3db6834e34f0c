import { get, post } from '../api.ts'
import { useLoaded } from '../live.ts'
import { link } from '../router.ts'
import { number, timeIn } from '../text.ts'
import type { MissedTicks, Schedule } from '../types.ts'
import { Action, Answer, Empty, Page, Time } from '../ui/parts.tsx'

export function Schedules() {
  const schedules = useLoaded(
    () => get<{ readonly schedules: readonly Schedule[] }>('/schedules', { next: 5 }),
    5_000,
  )
  return (
    <Page title="Schedules">
      <Answer of={schedules}>
        {({ schedules: all }) =>
          all.length === 0 ? (
            <Empty>No function has a cron trigger.</Empty>
          ) : (
            <>
              <Table schedules={all} />
              <Missed schedules={all} />
            </>
          )
        }
      </Answer>
    </Page>
  )
}

const runNow = (schedule: string) => async (): Promise<string> => {
  await post('/schedules/run', { schedule })
  return 'sent'
}

function Table({ schedules }: { readonly schedules: readonly Schedule[] }) {
  return (
    <table class="rows">
      <thead>
        <tr>
          <th>Function</th>
          <th>Expression</th>
          <th>Missed ticks</th>
          <th>Last</th>
          <th>Next five</th>
          <th class="num">Left out</th>
          <th>Now</th>
        </tr>
      </thead>
      <tbody>
        {schedules.map(({ id, functionId, expression, timezone, previousAt, next, skipped, ...policy }) => (
          <tr key={id}>
            <td data-label="Function">
              <a href={link(['functions', functionId])}>{functionId}</a>
            </td>
            <td data-label="Expression">
              <code>{expression}</code> <small>{timezone}</small>
            </td>
            <td data-label="Missed ticks">{policyText(policy)}</td>
            <td data-label="Last">
              <Time at={previousAt} />
            </td>
            <td data-label="Next five">
              {next.map((at) => (
                <div key={at}>
                  <Time at={at} />
                </div>
              ))}
            </td>
            <td data-label="Left out" class="num">
              {number(skipped)}
            </td>
            <td data-label="Now">
              <Action label="Run" run={runNow(id)} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

const POLICIES = {
  skip: 'left out',
  latest: 'the latest is made up for',
  all: 'all are made up for',
} as const

function policyText({ catchUp, catchUpWindow }: Pick<Schedule, 'catchUp' | 'catchUpWindow'>): string {
  if (catchUp === null) return 'no function here declares it'
  return POLICIES[catchUp] + (catchUp === 'skip' ? '' : `, of the last ${catchUpWindow}`)
}

function Missed({ schedules }: { readonly schedules: readonly Schedule[] }) {
  const found = schedules
    .flatMap((schedule) => schedule.missed.map((ticks) => ({ schedule, ticks })))
    .toSorted((a, b) => Date.parse(b.ticks.foundAt) - Date.parse(a.ticks.foundAt))
  return (
    <section>
      <h2>Missed within 30 days</h2>
      {found.length === 0 ? (
        <p class="well">✔ No tick was more than 5 seconds late.</p>
      ) : (
        <table class="rows">
          <thead>
            <tr>
              <th>Found</th>
              <th>Function</th>
              <th class="num">Ticks</th>
              <th>From, until</th>
              <th>What became of them</th>
              <th>Make up for them</th>
            </tr>
          </thead>
          <tbody>
            {found.map(({ schedule, ticks }) => (
              <Line key={`${schedule.id} ${ticks.foundAt}`} schedule={schedule} ticks={ticks} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

function Line({ schedule, ticks }: { readonly schedule: Schedule; readonly ticks: MissedTicks }) {
  const { foundAt, count, made, first, last } = ticks
  const backfill = async (): Promise<string> => {
    const range = { schedule: schedule.id, from: first, until: last }
    const answer = await post<{ readonly runs: readonly string[]; readonly known: number }>(
      '/schedules/backfill',
      range,
    )
    return `${answer.runs.length} made, ${answer.known} were there`
  }
  return (
    <tr>
      <td data-label="Found" class="whole">
        <Time at={foundAt} />
      </td>
      <td data-label="Function">
        <a href={link(['functions', schedule.functionId])}>{schedule.functionId}</a>
        <div>
          <code>{schedule.expression}</code>
        </div>
      </td>
      <td data-label="Ticks" class="num">
        {number(count)}
        {count === 1_000 && ' or more'}
      </td>
      <td data-label="From, until">
        <time dateTime={first}>{timeIn(first, schedule.timezone)}</time>
        {first !== last && (
          <>
            {' – '}
            <time dateTime={last}>{timeIn(last, schedule.timezone)}</time>
          </>
        )}
      </td>
      <td data-label="What became of them">{outcome(ticks)}</td>
      <td data-label="Make up for them">
        {made < count && (
          <Action
            label="Backfill"
            sure={`Make the ${number(count - made)} ticks of ${schedule.functionId} that were left out?`}
            run={backfill}
          />
        )}
      </td>
    </tr>
  )
}

function outcome({ count, made, catchUp, busy }: MissedTicks): string {
  if (made === count) return `✔ ${count === 1 ? 'it was' : 'all were'} made up for (catchUp: ${catchUp})`
  if (made > 0) return `↻ ${number(made)} made up for, ${number(count - made)} left out (catchUp: ${catchUp})`
  if (busy) return '✖ left out: the run of an earlier tick was under way (overlap: skip)'
  if (catchUp === 'skip') return '✖ left out (catchUp: skip)'
  return `✖ left out: too long ago, or a later one was on time (catchUp: ${catchUp})`
}
