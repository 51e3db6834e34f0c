import { useComputed, useSignal } from '@preact/signals'
import { get } from '../api.ts'
import { useLoaded } from '../live.ts'
import { go, link, place } from '../router.ts'
import { bytes } from '../text.ts'
import type { EventRecord, ListedEvent, Run } from '../types.ts'
import { Filter } from '../ui/filter.tsx'
import { Answer, Empty, Id, Json, Page, Time } from '../ui/parts.tsx'
import { RunsTable } from '../ui/runs-table.tsx'
import { Status } from '../ui/status.tsx'

const CHIPS = ['', 'type:http.request', 'type:queue.message', 'type:cron.tick', 'since:1h']
const ICONS: Readonly<Record<string, string>> = { http: '⇄', postgres: '⛁', file: '▤', cron: '◷', queue: '≡' }
const PAGE = 50

export function Events() {
  const q = useComputed(() => place.value.query.get('q') ?? '')
  const limit = useSignal(PAGE)
  const listed = useLoaded(() =>
    get<{ readonly events: readonly ListedEvent[]; readonly next: string | null }>('/events', {
      q: q.value,
      limit: Math.min(500, limit.value),
    }),
  )
  return (
    <Page title="Events" actions={<a href={link(['send'])}>Send a test event</a>}>
      <Filter
        value={q.value}
        chips={CHIPS}
        onChange={(text) => go(['events'], text === '' ? {} : { q: text })}
      />
      <Answer of={listed}>
        {({ events, next }) => (
          <>
            {events.length === 0 ? <Empty>No event matches.</Empty> : <Table events={events} />}
            {next !== null && limit.value < 500 && (
              <button type="button" onClick={() => (limit.value += PAGE)}>
                Show more
              </button>
            )}
          </>
        )}
      </Answer>
    </Page>
  )
}

function Table({ events }: { readonly events: readonly ListedEvent[] }) {
  return (
    <table class="rows">
      <thead>
        <tr>
          <th>Event</th>
          <th>Type</th>
          <th>Source</th>
          <th>Size</th>
          <th>Came</th>
          <th>Runs</th>
        </tr>
      </thead>
      <tbody>
        {events.map(({ id, type, source, subject, bytes: size, receivedAt, runs }) => (
          <tr key={id}>
            <td data-label="Event">
              <a class="row" href={link(['events', id])}>
                {id.slice(0, 8)}…{id.slice(-4)}
              </a>
            </td>
            <td data-label="Type">
              <span aria-hidden="true">{ICONS[type.split('.')[0] ?? ''] ?? '•'}</span> {type}
            </td>
            <td data-label="Source" class="cut" title={`${source} ${subject ?? ''}`}>
              {source} {subject}
            </td>
            <td data-label="Size">{bytes(size)}</td>
            <td data-label="Came">
              <Time at={receivedAt} />
            </td>
            <td data-label="Runs">
              {runs.length === 0
                ? 'no function wanted it'
                : runs.map(({ id: run, functionId, state }) => (
                    <a key={run} href={link(['runs', run])}>
                      <Status state={state} /> {functionId}{' '}
                    </a>
                  ))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

export function EventPage({ id }: { readonly id: string }) {
  const shown = useLoaded(() =>
    get<{ readonly event: EventRecord; readonly runs: readonly Run[] }>(`/events/${encodeURIComponent(id)}`),
  )
  return (
    <Answer of={shown}>
      {({ event, runs }) => (
        <Page title={event.type}>
          <p class="facts">
            <Id id={id} whole /> from {event.source}, came <Time at={event.receivedAt} />
          </p>
          <h2>Runs</h2>
          {runs.length === 0 ? <Empty>No function wanted it.</Empty> : <RunsTable runs={runs} />}
          <h2>The event</h2>
          <Json value={event} label="The event" />
        </Page>
      )}
    </Answer>
  )
}
