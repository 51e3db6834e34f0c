import { useComputed, useSignal } from '@preact/signals'
import { get, post } from '../api.ts'
import { useLoaded } from '../live.ts'
import { go, place } from '../router.ts'
import { useRuns } from '../runs.ts'
import { number } from '../text.ts'
import type { Bucket } from '../types.ts'
import { Bars } from '../ui/bars.tsx'
import { Bulk } from '../ui/bulk.tsx'
import { Filter } from '../ui/filter.tsx'
import { Action, Answer, Empty, Page } from '../ui/parts.tsx'
import { RunsTable } from '../ui/runs-table.tsx'

const CHIPS = ['', 'status:running', 'status:retrying', 'status:dead', 'status:completed', 'since:1h']
const PAGE = 50

export function Runs() {
  const q = useComputed(() => place.value.query.get('q') ?? '')
  const pages = useSignal(1)
  const chosen = useSignal<ReadonlySet<string>>(new Set())
  const listed = useRuns(
    () => q.value,
    () => pages.value * PAGE,
  )
  const count = useLoaded(() => get<{ count: number; exact: boolean }>('/runs/count', { q: q.value }), 5_000)
  const histogram = useLoaded(
    () =>
      get<{ readonly buckets: readonly Bucket[] }>('/runs/histogram', {
        q: q.value,
        since: '24h',
        buckets: 72,
      }),
    10_000,
  )
  const total = count.value.value
  const filter = (text: string): void => {
    pages.value = 1
    chosen.value = new Set()
    go(['runs'], text === '' ? {} : { q: text })
  }
  return (
    <Page title="Runs" {...(total !== null && { count: total.count })}>
      <Filter value={q.value} chips={CHIPS} onChange={filter} />
      <Answer of={histogram}>{({ buckets }) => <Histogram buckets={buckets} />}</Answer>
      <Bulk q={q.value} />
      <Chosen chosen={chosen.value} onDone={() => (chosen.value = new Set())} />
      <p class="count" aria-live="polite">
        {total === null ? '' : `${number(total.count)}${total.exact ? '' : ' or more'} runs`}
      </p>
      <Answer of={listed}>
        {({ runs, next }) => (
          <>
            {runs.length === 0 ? <Empty>No run matches.</Empty> : <RunsTable runs={runs} chosen={chosen} />}
            {next !== null && (
              <button type="button" onClick={() => pages.value++}>
                Show more
              </button>
            )}
          </>
        )}
      </Answer>
    </Page>
  )
}

function Histogram({ buckets }: { readonly buckets: readonly Bucket[] }) {
  return (
    <Bars
      title="Runs by when they began, 24 h"
      bars={buckets.map(({ from, completed, dead, cancelled, open }) => ({
        label: new Date(from).toLocaleString(),
        parts: [
          { kind: 'completed', value: completed },
          { kind: 'dead', value: dead },
          { kind: 'cancelled', value: cancelled },
          { kind: 'running', value: open },
        ],
      }))}
    />
  )
}

interface ChosenProps {
  readonly chosen: ReadonlySet<string>
  readonly onDone: () => void
}

function Chosen({ chosen, onDone }: ChosenProps) {
  if (chosen.size === 0) return null
  const each = async (verb: 'replay' | 'cancel'): Promise<string> => {
    const ends = await Promise.allSettled([...chosen].map((id) => post(`/runs/${id}/${verb}`)))
    const failed = ends.filter(({ status }) => status === 'rejected').length
    onDone()
    return `${ends.length - failed} done${failed > 0 ? `, ${failed} refused` : ''}`
  }
  return (
    <div class="bar" role="region" aria-label="Chosen runs">
      {chosen.size} chosen
      <Action label="Replay" run={() => each('replay')} />
      <Action label="Cancel" kind="danger" sure={`Cancel ${chosen.size} runs?`} run={() => each('cancel')} />
      <button type="button" onClick={onDone}>
        Choose none
      </button>
    </div>
  )
}
