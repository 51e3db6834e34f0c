import { useSignal } from '@preact/signals'
import { get, post } from '../api.ts'
import { useLoaded } from '../live.ts'
import { number } from '../text.ts'
import { Action, Answer } from './parts.tsx'

interface Progress {
  readonly id: string
  readonly action: string
  readonly state: 'running' | 'done' | 'stopped'
  readonly total: number
  readonly done: number
  readonly skipped: number
}

interface BulkProps {
  /** Which runs: all that it selects, however many pages. */
  readonly q: string
}

/** Replays or cancels all runs that a filter selects, after it has said how many that are. */
export function Bulk({ q }: BulkProps) {
  const begun = useSignal<string | null>(null)
  const start = (action: 'replay' | 'cancel') => async (): Promise<string> => {
    const filter = { action, q, ...(q === '' && { limit: 1_000_000 }) }
    const { count, exact } = await post<{ count: number; exact: boolean }>('/bulk', {
      ...filter,
      dryRun: true,
    })
    const many = `${number(count)}${exact ? '' : ' or more'}`
    if (count === 0) return 'no run of these can be'
    if (!confirm(`${action} ${many} runs, 100 a second?`)) return 'left as they are'
    const { bulk } = await post<{ readonly bulk: Progress }>('/bulk', { ...filter, rate: 100 })
    begun.value = bulk.id
    return 'begun'
  }
  return (
    <div class="bar" role="group" aria-label="All that match">
      All that match:
      <Action label="Replay all" run={start('replay')} />
      <Action label="Cancel all" kind="danger" run={start('cancel')} />
      {begun.value !== null && <Going key={begun.value} id={begun.value} />}
    </div>
  )
}

function Going({ id }: { readonly id: string }) {
  const told = useLoaded(() => get<{ readonly bulk: Progress }>(`/bulk/${id}`), 1_000)
  const stop = async (): Promise<string> => {
    await post(`/bulk/${id}/stop`)
    told.again()
    return 'stopped'
  }
  return (
    <Answer of={told}>
      {({ bulk: { action, state, total, done, skipped } }) => (
        <>
          <progress max={total} value={done + skipped} aria-label="Progress" />
          <span aria-live="polite">
            {action} {state}: {number(done)} of {number(total)}
            {skipped > 0 && `, ${number(skipped)} skipped`}
          </span>
          {state === 'running' && <Action label="Stop" run={stop} />}
        </>
      )}
    </Answer>
  )
}
