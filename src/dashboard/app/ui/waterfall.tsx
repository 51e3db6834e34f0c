import { length } from '../text.ts'
import type { Attempt, Run } from '../types.ts'

interface Span {
  readonly name: string
  readonly kind: string
  readonly from: number
  readonly to: number
  readonly note: string
}

interface WaterfallProps {
  readonly run: Run
  readonly attempts: readonly Attempt[]
}

/** What a run did all its time: waited, ran, rested before it was tried again. */
export function Waterfall({ run, attempts }: WaterfallProps) {
  const spans = spansOf(run, attempts)
  const from = Date.parse(run.createdAt)
  const to = Math.max(from + 1, ...spans.map((span) => span.to))
  const at = (ms: number): number => ((ms - from) / (to - from)) * 100
  return (
    <table class="waterfall">
      <caption>
        {length(to - from)} from its event to {run.finishedAt === null ? 'now' : 'its end'}
      </caption>
      <tbody>
        {spans.map((span, i) => (
          <tr key={`${span.name} ${i}`}>
            <th scope="row">{span.name}</th>
            <td>
              <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                <rect
                  class={span.kind}
                  x={at(span.from)}
                  y="0"
                  width={Math.max(0.4, at(span.to) - at(span.from))}
                  height="8"
                />
              </svg>
            </td>
            <td>{length(span.to - span.from)}</td>
            <td class="cut" title={span.note}>
              {span.note}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function spansOf(run: Run, attempts: readonly Attempt[]): Span[] {
  const spans: Span[] = []
  let last = Date.parse(run.createdAt)
  for (const { number, outcome, startedAt, finishedAt, worker, version, failure } of attempts) {
    const [from, to] = [Date.parse(startedAt), Date.parse(finishedAt)]
    spans.push(rest(spans.length, last, from))
    const note = [failure?.message, worker, version].filter(Boolean).join(' · ')
    spans.push({ name: `attempt ${number}, ${outcome}`, kind: outcome, from, to, note })
    last = to
  }
  if (run.finishedAt === null) {
    const running = run.state === 'running' && run.startedAt !== null
    const from = running ? Date.parse(run.startedAt ?? '') : last
    if (running) spans.push(rest(spans.length, last, from))
    spans.push({
      name: run.state,
      kind: run.state,
      from,
      to: Date.now(),
      note: run.held ? 'behind its ordering key' : '',
    })
  }
  return spans.filter(({ from, to }) => to > from || attempts.length === 0)
}

function rest(before: number, from: number, to: number): Span {
  return { name: before === 0 ? 'queued' : 'waited', kind: 'wait', from, to: Math.max(from, to), note: '' }
}
