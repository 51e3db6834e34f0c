import { get } from '../api.ts'
import { useLoaded } from '../live.ts'
import { link } from '../router.ts'
import type { Trigger } from '../types.ts'
import { Answer, Page } from '../ui/parts.tsx'

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
