import { get, post } from '../api.ts'
import { useLoaded } from '../live.ts'
import { link } from '../router.ts'
import { length, number } from '../text.ts'
import type { QueueState, WorkerState } from '../types.ts'
import { Action, Answer, Page, Time } from '../ui/parts.tsx'

export function Queues() {
  const queues = useLoaded(() => get<{ readonly queues: readonly QueueState[] }>('/queues'))
  const set = (functionId: string, verb: 'pause' | 'resume') => async (): Promise<string> => {
    await post(`/functions/${functionId}/${verb}`)
    queues.again()
    return `${verb}d`
  }
  return (
    <Page title="Queues">
      <Answer of={queues}>
        {({ queues: all }) => (
          <table class="rows">
            <thead>
              <tr>
                <th>Function</th>
                <th>Wait</th>
                <th>Run</th>
                <th>Come later</th>
                <th>Oldest</th>
                <th>State</th>
              </tr>
            </thead>
            <tbody>
              {all.map(({ functionId, waiting, running, later, oldestMs, paused }) => (
                <tr key={functionId}>
                  <td data-label="Function">
                    <a href={link(['functions', functionId])}>{functionId}</a>
                  </td>
                  <td data-label="Wait">{number(waiting)}</td>
                  <td data-label="Run">{number(running)}</td>
                  <td data-label="Come later">{number(later)}</td>
                  <td data-label="Oldest">{oldestMs === null ? '–' : length(oldestMs)}</td>
                  <td data-label="State">
                    {paused ? '⏸ paused ' : '▶ '}
                    {paused ? (
                      <Action label="Resume" run={set(functionId, 'resume')} />
                    ) : (
                      <Action label="Pause" run={set(functionId, 'pause')} />
                    )}
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

export function Workers() {
  const workers = useLoaded(() => get<{ readonly workers: readonly WorkerState[] }>('/workers'))
  const checks = useLoaded(
    () =>
      get<{ readonly checks: readonly { name: string; ok: boolean; detail: string; fix?: string }[] }>(
        '/checks',
      ),
    10_000,
  )
  return (
    <Page title="Workers">
      <Answer of={workers}>
        {({ workers: all }) => (
          <table class="rows">
            <thead>
              <tr>
                <th>Worker</th>
                <th>Host</th>
                <th>Process</th>
                <th>Runs now</th>
                <th>Up since</th>
                <th>Last heartbeat</th>
              </tr>
            </thead>
            <tbody>
              {all.map(({ id, host, pid, running, startedAt, heartbeatAt }) => (
                <tr key={id}>
                  <td data-label="Worker">{id}</td>
                  <td data-label="Host">{host}</td>
                  <td data-label="Process">{pid}</td>
                  <td data-label="Runs now">{number(running)}</td>
                  <td data-label="Up since">
                    <Time at={startedAt} />
                  </td>
                  <td data-label="Last heartbeat">
                    <Time at={heartbeatAt} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Answer>
      <h2>Health of this process</h2>
      <Answer of={checks}>
        {({ checks: all }) => (
          <ul class="checks">
            {all.map(({ name, ok, detail, fix }) => (
              <li key={name}>
                {ok ? '✔' : '✖'} <b>{name}</b> {detail} {fix !== undefined && <small>→ {fix}</small>}
              </li>
            ))}
          </ul>
        )}
      </Answer>
    </Page>
  )
}
