import type { Signal } from '@preact/signals'
import { link } from '../router.ts'
import { length } from '../text.ts'
import type { Run } from '../types.ts'
import { Time } from './parts.tsx'
import { Status } from './status.tsx'

interface RunsTableProps {
  readonly runs: readonly Run[]
  /** Ids of the chosen ones; without it none can be chosen. */
  readonly chosen?: Signal<ReadonlySet<string>>
}

export function RunsTable({ runs, chosen }: RunsTableProps) {
  const toggle = (id: string): void => {
    if (!chosen) return
    const next = new Set(chosen.value)
    if (!next.delete(id)) next.add(id)
    chosen.value = next
  }
  return (
    <table class="rows">
      <thead>
        <tr>
          {chosen && <th class="check">✓</th>}
          <th>Run</th>
          <th>Function</th>
          <th>State</th>
          <th>Attempt</th>
          <th>Took</th>
          <th>Began</th>
          <th>Error</th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <tr key={run.id}>
            {chosen && (
              <td class="check">
                <input
                  type="checkbox"
                  aria-label={`Choose ${run.id}`}
                  checked={chosen.value.has(run.id)}
                  onChange={() => toggle(run.id)}
                />
              </td>
            )}
            <td data-label="Run">
              <a class="row" href={link(['runs', run.id])}>
                {run.id.slice(0, 8)}…{run.id.slice(-4)}
              </a>
            </td>
            <td data-label="Function">
              <a href={link(['functions', run.functionId])}>{run.functionId}</a>
            </td>
            <td data-label="State">
              <Status state={run.state} held={run.held} />
            </td>
            <td data-label="Attempt">
              {run.attempt}/{run.maxAttempts}
            </td>
            <td data-label="Took">{tookOf(run)}</td>
            <td data-label="Began">
              <Time at={run.createdAt} />
            </td>
            <td data-label="Error" class="cut" title={run.failure?.message ?? ''}>
              {run.failure?.message ?? ''}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function tookOf({ createdAt, finishedAt }: Run): string {
  return finishedAt === null ? '–' : length(Date.parse(finishedAt) - Date.parse(createdAt))
}
