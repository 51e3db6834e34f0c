import { get, post } from '../api.ts'
import { useLoaded } from '../live.ts'
import { link } from '../router.ts'
import { number } from '../text.ts'
import type { Schedule, Trigger } from '../types.ts'
import { Action, Answer, Empty, Page, Time } from '../ui/parts.tsx'

interface ListedTrigger {
  readonly functionId: string
  readonly index: number
  readonly trigger: Trigger
  readonly problem: string | null
  readonly paused: boolean
}

export function Triggers() {
  const triggers = useLoaded(() => get<{ readonly triggers: readonly ListedTrigger[] }>('/triggers'), 5_000)
  return (
    <Page title="Triggers">
      <Answer of={triggers}>
        {({ triggers: all }) => (
          <table class="rows">
            <thead>
              <tr>
                <th>Kind</th>
                <th>Trigger</th>
                <th>Function</th>
                <th>State</th>
              </tr>
            </thead>
            <tbody>
              {all.map(({ functionId, index, trigger, problem, paused }) => (
                <tr key={`${functionId} ${index}`}>
                  <td data-label="Kind">{trigger.kind}</td>
                  <td data-label="Trigger">
                    <code>{trigger.label}</code>
                  </td>
                  <td data-label="Function">
                    <a href={link(['functions', functionId])}>{functionId}</a>
                  </td>
                  <td data-label="State">
                    {problem === null ? (paused ? '⏸ paused' : '✔ served') : `✖ ${problem}`}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Answer>
    </Page>
  )
}

const runNow = (schedule: string) => async (): Promise<string> => {
  await post('/schedules/run', { schedule })
  return 'sent'
}

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
            <table class="rows">
              <thead>
                <tr>
                  <th>Function</th>
                  <th>Expression</th>
                  <th>Zone</th>
                  <th>Last</th>
                  <th>Next five</th>
                  <th>Left out</th>
                  <th>Now</th>
                </tr>
              </thead>
              <tbody>
                {all.map(({ id, functionId, expression, timezone, previousAt, next, skipped }) => (
                  <tr key={id}>
                    <td data-label="Function">
                      <a href={link(['functions', functionId])}>{functionId}</a>
                    </td>
                    <td data-label="Expression">
                      <code>{expression}</code>
                    </td>
                    <td data-label="Zone">{timezone}</td>
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
                    <td data-label="Left out">{number(skipped)}</td>
                    <td data-label="Now">
                      <Action label="Run" run={runNow(id)} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Answer>
    </Page>
  )
}
