import { get } from '../api.ts'
import { useLoaded } from '../live.ts'
import { link } from '../router.ts'
import { length, number, percent } from '../text.ts'
import { Bars } from '../ui/bars.tsx'
import { Answer, Empty, Page } from '../ui/parts.tsx'

interface Day {
  readonly day: string
  readonly functionId: string
  readonly runs: number
  readonly attempts: number
  readonly failed: number
  readonly busyMs: number
  readonly failedMs: number
}

export function Usage() {
  const usage = useLoaded(() => get<{ readonly usage: readonly Day[] }>('/usage', { days: 14 }), 30_000)
  return (
    <Page title="Usage, 14 days">
      <Answer of={usage}>
        {({ usage: days }) =>
          days.length === 0 ? (
            <Empty>Nothing has run yet.</Empty>
          ) : (
            <>
              <Bars title="Seconds of computing, each day" bars={byDay(days)} />
              <Functions days={days} />
            </>
          )
        }
      </Answer>
    </Page>
  )
}

function byDay(days: readonly Day[]) {
  const names = [...new Set(days.map(({ day }) => day))].toSorted()
  const seconds = (ms: number): number => Math.round(ms / 1_000)
  return names.map((name) => {
    const own = days.filter(({ day }) => day === name)
    const busy = own.reduce((sum, { busyMs }) => sum + busyMs, 0)
    const failed = own.reduce((sum, { failedMs }) => sum + failedMs, 0)
    return {
      label: name,
      parts: [
        { kind: 'completed', value: seconds(busy - failed) },
        { kind: 'dead', value: seconds(failed) },
      ],
    }
  })
}

function Functions({ days }: { readonly days: readonly Day[] }) {
  const ids = [...new Set(days.map(({ functionId }) => functionId))].toSorted()
  return (
    <table class="rows">
      <thead>
        <tr>
          <th>Function</th>
          <th>Runs</th>
          <th>Attempts</th>
          <th>Failed</th>
          <th>Computed</th>
          <th>For attempts that failed</th>
        </tr>
      </thead>
      <tbody>
        {ids.map((id) => {
          const own = days.filter(({ functionId }) => functionId === id)
          const sum = (of: (day: Day) => number): number => own.reduce((total, day) => total + of(day), 0)
          const busyMs = sum((day) => day.busyMs)
          return (
            <tr key={id}>
              <td data-label="Function">
                <a href={link(['functions', id])}>{id}</a>
              </td>
              <td data-label="Runs">{number(sum((day) => day.runs))}</td>
              <td data-label="Attempts">{number(sum((day) => day.attempts))}</td>
              <td data-label="Failed">{number(sum((day) => day.failed))}</td>
              <td data-label="Computed">{length(busyMs)}</td>
              <td data-label="For attempts that failed">
                {percent(busyMs === 0 ? 0 : sum((day) => day.failedMs) / busyMs)}
              </td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}
