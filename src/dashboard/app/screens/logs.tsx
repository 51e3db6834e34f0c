import { useComputed } from '@preact/signals'
import { get } from '../api.ts'
import { useLoaded } from '../live.ts'
import { go, link, place } from '../router.ts'
import type { LogLine } from '../types.ts'
import { Filter } from '../ui/filter.tsx'
import { Answer, Empty, Page } from '../ui/parts.tsx'

const CHIPS = ['', 'level:error', 'level:warn', 'since:1h']

export function Logs() {
  const q = useComputed(() => place.value.query.get('q') ?? '')
  const listed = useLoaded(() =>
    get<{ readonly lines: readonly LogLine[] }>('/logs', { q: q.value, limit: 200 }),
  )
  return (
    <Page title="Logs">
      <Filter
        value={q.value}
        chips={CHIPS}
        onChange={(text) => go(['logs'], text === '' ? {} : { q: text })}
      />
      <Answer of={listed}>
        {({ lines }) =>
          lines.length === 0 ? <Empty>No function has written a line.</Empty> : <Lines lines={lines} />
        }
      </Answer>
    </Page>
  )
}

function Lines({ lines }: { readonly lines: readonly LogLine[] }) {
  return (
    <ol class="log" tabIndex={0} aria-label="Log lines, newest first">
      {lines.map(({ seq, runId, attempt, time, level, message, fields }) => (
        <li key={seq} class={level}>
          <time title={time}>{time.slice(11, 23)}</time> <b>{level}</b>{' '}
          <a href={link(['runs', runId])}>
            {runId.slice(-4)} #{attempt}
          </a>{' '}
          {message} {fields !== null && <code>{JSON.stringify(fields)}</code>}
        </li>
      ))}
    </ol>
  )
}
