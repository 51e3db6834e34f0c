import { get } from '../api.ts'
import { useLoaded } from '../live.ts'
import { link } from '../router.ts'
import { useRuns } from '../runs.ts'
import { length, number, percent } from '../text.ts'
import type { Func, Minute, Overview as Told } from '../types.ts'
import { Bars } from '../ui/bars.tsx'
import { Answer, Empty, Page, Tile } from '../ui/parts.tsx'
import { RunsTable } from '../ui/runs-table.tsx'

/** The server looks no more often. */
const OVERVIEW_MS = 5_000
const LATEST = 20

export function Overview() {
  const told = useLoaded(() => get<Told>('/overview'), OVERVIEW_MS)
  const latest = useRuns(
    () => '',
    () => LATEST,
  )
  return (
    <Page title="Overview">
      <Answer of={told}>
        {(overview) => (
          <>
            <Tiles overview={overview} />
            <Problems problems={overview.problems} />
          </>
        )}
      </Answer>
      <h2>Latest runs</h2>
      <Answer of={latest}>
        {({ runs }) => (runs.length === 0 ? <Checklist /> : <RunsTable runs={runs} />)}
      </Answer>
    </Page>
  )
}

function Tiles({ overview: { minutes, states } }: { readonly overview: Told }) {
  const sum = (of: (minute: Minute) => number): number =>
    minutes.reduce((total, minute) => total + of(minute), 0)
  const [completed, dead] = [sum((minute) => minute.completed), sum((minute) => minute.dead)]
  const last = minutes.at(-2) ?? minutes.at(-1)
  const waits = minutes.flatMap(({ queueP95Ms }) => queueP95Ms ?? [])
  return (
    <section class="tiles" aria-label="The last hour">
      <Tile name="Runs a minute" value={number(last ? last.completed + last.dead : 0)}>
        <Bars
          title="Runs of each minute"
          bars={minutes.map(({ from, completed: done, dead: failed }) => ({
            label: new Date(from).toLocaleTimeString(),
            parts: [
              { kind: 'completed', value: done },
              { kind: 'dead', value: failed },
            ],
          }))}
        />
      </Tile>
      <Tile name="Succeeded" value={percent(completed + dead === 0 ? null : completed / (completed + dead))}>
        {number(completed)} completed, {number(dead)} dead in the last hour
      </Tile>
      <Tile name="Waited before it ran, p95" value={waits.length === 0 ? '–' : length(waits.at(-1) ?? 0)}>
        {number((states.accepted ?? 0) + (states.queued ?? 0))} wait, {number(states.running ?? 0)} run,{' '}
        {number(states.retrying ?? 0)} come again
      </Tile>
      <Tile name="Dead letters, 24 h" value={number(states.dead ?? 0)}>
        <a href={link(['dead'])}>what went wrong</a>
      </Tile>
    </section>
  )
}

/** Where a problem is looked into. */
const WHERE: Readonly<Record<string, string>> = {
  check: 'workers',
  function: 'functions',
  trigger: 'triggers',
  paused: 'queues',
  queue: 'queues',
  failing: 'errors',
  alert: 'alerts',
}

function Problems({ problems }: { readonly problems: Told['problems'] }) {
  if (problems.length === 0) return <p class="well">✔ Nothing needs you.</p>
  return (
    <section aria-label="Problems">
      <h2>Problems</h2>
      <ul class="problems">
        {problems.map(({ kind, subject, message, fix }) => (
          <li key={`${kind} ${subject} ${message}`}>
            <a href={link([WHERE[kind] ?? ''])}>{subject}</a> {message}
            {fix !== null && <small> → {fix}</small>}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Instead of an empty page: what there is to do first. */
function Checklist() {
  const functions = useLoaded(() => get<{ readonly functions: readonly Func[] }>('/functions'))
  return (
    <Answer of={functions}>
      {({ functions: all }) => (
        <ol class="checklist">
          <li>
            {all.length > 0 ? `✔ ${all.length} functions are served` : 'Write a function into functions/'}
          </li>
          <li>
            <a href={link(['send'])}>Send a test event</a>, or let one of the triggers fire
          </li>
          <li>Look at its run here: attempts, log, result</li>
          {all.length === 0 && <Empty>npx tappet dev reloads functions as you save them.</Empty>}
        </ol>
      )}
    </Answer>
  )
}
