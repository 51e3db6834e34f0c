import { useSignal } from '@preact/signals'
import { get, post } from '../api.ts'
import { useLoaded } from '../live.ts'
import { go, link } from '../router.ts'
import { length, pretty } from '../text.ts'
import type { EventRecord, LogLine, Run as RunRecord, RunPage } from '../types.ts'
import { Action, Answer, Code, Empty, Id, Json, Page, Time } from '../ui/parts.tsx'
import { Status } from '../ui/status.tsx'
import { Waterfall } from '../ui/waterfall.tsx'

export function Run({ id }: { readonly id: string }) {
  const shown = useLoaded(() => get<RunPage>(`/runs/${encodeURIComponent(id)}`))
  return (
    <Answer of={shown}>
      {({ run, event, attempts, logs }) => (
        <Page title={run.functionId} actions={<Actions run={run} event={event} again={shown.again} />}>
          <p class="facts">
            <Status state={run.state} held={run.held} /> <Id id={run.id} whole /> attempt {run.attempt} of{' '}
            {run.maxAttempts}, began <Time at={run.createdAt} />
            {run.finishedAt !== null &&
              `, took ${length(Date.parse(run.finishedAt) - Date.parse(run.createdAt))}`}
            {run.worker !== null && `, on ${run.worker}`}
          </p>
          <Waterfall run={run} attempts={attempts} />
          {run.failure !== null && <Failed run={run} />}
          <div class="columns">
            <section>
              <h2>Event</h2>
              {event === null ? (
                <Empty>It is not kept any more.</Empty>
              ) : (
                <Happened event={event} run={run} />
              )}
            </section>
            <section>
              <h2>Result</h2>
              {run.state === 'completed' ? (
                <Json value={run.result ?? null} label="Result" />
              ) : (
                <Empty>There is none yet.</Empty>
              )}
              <h2>Log</h2>
              <Log lines={logs} />
            </section>
          </div>
          <Chain run={run} />
        </Page>
      )}
    </Answer>
  )
}

function Happened({ event, run }: { readonly event: EventRecord; readonly run: RunRecord }) {
  const { change } = event
  return (
    <>
      <p class="facts">
        <a href={link(['events', run.eventId])}>{event.type}</a> from {event.source}{' '}
        {event.subject !== undefined && `· ${event.subject}`}
      </p>
      {change !== undefined && <Changed before={change.before} after={change.after ?? event.data} />}
      <Json value={event.data ?? null} label="Payload" />
    </>
  )
}

/** Of a changed row: what was, and what is. */
function Changed({ before, after }: { readonly before: unknown; readonly after: unknown }) {
  const [was, is] = [before ?? {}, after ?? {}] as [Record<string, unknown>, Record<string, unknown>]
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter(
    (name) => JSON.stringify(was[name]) !== JSON.stringify(is[name]),
  )
  if (before === undefined || before === null || names.length === 0) return null
  return (
    <table class="diff">
      <caption>What changed</caption>
      <tbody>
        {names.map((name) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>
              <del>{JSON.stringify(was[name]) ?? '–'}</del>
            </td>
            <td>
              <ins>{JSON.stringify(is[name]) ?? '–'}</ins>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Failed({ run: { failure, fingerprint, functionId } }: { readonly run: RunRecord }) {
  if (failure === null) return null
  return (
    <section class="failed" aria-label="Error">
      <h2>
        <Code code={failure.code ?? failure.name} /> {failure.message}
      </h2>
      {failure.stack !== null && <pre tabIndex={0}>{failure.stack}</pre>}
      <a href={link(['runs'], { q: `function:${functionId} status:failed` })}>others that failed</a>
      {fingerprint}
    </section>
  )
}

function Log({ lines }: { readonly lines: readonly LogLine[] }) {
  if (lines.length === 0) return <Empty>It wrote nothing.</Empty>
  return (
    <ol class="log">
      {lines.map(({ time, level, message, fields, attempt }, i) => (
        <li key={`${time} ${i}`} class={level}>
          <time>{time.slice(11, 23)}</time> <b>{level}</b> #{attempt} {message}{' '}
          {fields !== null && <code>{JSON.stringify(fields)}</code>}
        </li>
      ))}
    </ol>
  )
}

interface ActionsProps {
  readonly run: RunRecord
  readonly event: EventRecord | null
  readonly again: () => void
}

function Actions({ run, event, again }: ActionsProps) {
  const editing = useSignal<string | null>(null)
  const over = ['completed', 'dead', 'cancelled'].includes(run.state)
  const replay = async (body: object): Promise<string> => {
    const { run: id } = await post<{ readonly run: string }>(`/runs/${run.id}/replay`, body)
    again()
    if (id !== run.id) go(['runs', id])
    return 'replayed'
  }
  return (
    <>
      {(run.state === 'dead' || run.state === 'cancelled') && (
        <Action label="Replay" run={() => replay({})} />
      )}
      {event !== null && (
        <button type="button" onClick={() => (editing.value = pretty(event.data ?? null))}>
          Edit and replay
        </button>
      )}
      {!over && (
        <Action
          label="Cancel"
          kind="danger"
          run={async () => {
            await post(`/runs/${run.id}/cancel`)
            again()
            return 'cancelled'
          }}
        />
      )}
      <Id id={`npx tappet replay ${run.id}`} />
      {editing.value !== null && (
        <div class="edit">
          <label>
            Data of the new event
            <textarea
              rows={12}
              value={editing.value}
              onInput={(change) => (editing.value = change.currentTarget.value)}
            />
          </label>
          <Action
            label="Replay with it"
            run={() => replay({ data: JSON.parse(editing.value ?? 'null') as unknown })}
          />
          <button type="button" onClick={() => (editing.value = null)}>
            Leave it
          </button>
        </div>
      )}
    </>
  )
}

interface Link {
  readonly id: string
  readonly functionId: string
  readonly state: RunRecord['state']
}

/** Which run sent the event, and what this run has sent. */
function Chain({ run }: { readonly run: RunRecord }) {
  const chain = useLoaded(
    () =>
      get<{ readonly causes?: readonly Link[]; readonly effects?: readonly Link[] }>(`/runs/${run.id}/chain`),
    10_000,
  )
  return (
    <section>
      <h2>Cause and effect</h2>
      <Answer of={chain}>{(told) => <Json value={told} label="Cause and effect" />}</Answer>
    </section>
  )
}
