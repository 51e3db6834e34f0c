import { useComputed } from '@preact/signals'
import { get } from '../api.ts'
import { useLoaded } from '../live.ts'
import { go, link, place } from '../router.ts'
import { bytes, dollars, length, number, percent, rough } from '../text.ts'
import { type Cost, type Day, everyDay, type Grouping, groupBy, GROUPINGS, toCsv, total } from '../usage.ts'
import { Bars } from '../ui/bars.tsx'
import { Chips } from '../ui/chips.tsx'
import { Answer, Empty, Page, Tile } from '../ui/parts.tsx'
import { UsageTable } from '../ui/usage-table.tsx'

interface UsageAnswer {
  readonly usage: readonly Day[]
  readonly costs: readonly Cost[]
  readonly pricesReadOn: string
}

const PERIODS = [1, 7, 14, 30, 90]
/** Days that are over do not change. */
const EVERY_MS = 30_000

/** What the page is asked for, from its address. */
interface Choice {
  readonly days: number
  readonly by: Grouping
  readonly cloud: string
}

function choose(more: Partial<Record<keyof Choice, string>>): void {
  go(['usage'], { ...Object.fromEntries(place.value.query), ...more })
}

export function Usage() {
  const choice = useComputed((): Choice => {
    const { query } = place.value
    const days = Number(query.get('days') ?? 14)
    return {
      days: Number.isInteger(days) && days >= 1 && days <= 400 ? days : 14,
      by: GROUPINGS.find((one) => one === query.get('by')) ?? 'function',
      cloud: query.get('cloud') ?? '',
    }
  })
  const days = useComputed(() => choice.value.days)
  const usage = useLoaded(() => get<UsageAnswer>('/usage', { days: days.value }), EVERY_MS)
  return (
    <Page title="Usage and cost">
      <Chips
        label="Period"
        all={PERIODS.map((n) => [String(n), n === 1 ? 'today' : `${n} days`])}
        now={String(days.value)}
        onChoose={(n) => choose({ days: n })}
      />
      <Answer of={usage}>
        {(answer) =>
          answer.usage.length === 0 ? (
            <Empty>Nothing has run in this time.</Empty>
          ) : (
            <Told answer={answer} choice={choice.value} />
          )
        }
      </Answer>
    </Page>
  )
}

function Told({ answer: { usage, costs, pricesReadOn }, choice }: ToldProps) {
  const chosen = costs.find(({ cloud }) => cloud === choice.cloud) ?? costs[0]
  const rows = groupBy(usage, choice.by)
  if (chosen === undefined) return null
  return (
    <>
      <Tiles usage={usage} cost={chosen} />
      <Bars
        title="Billed time of each day (UTC), calls that failed in red"
        format={length}
        bars={everyDay(usage, choice.days).map(({ day, billedMs, failedMs }) => ({
          label: day,
          parts: [
            { kind: 'completed', value: Math.max(0, billedMs - failedMs) },
            { kind: 'dead', value: Math.min(failedMs, billedMs) },
          ],
        }))}
      />
      <h2>What was taken</h2>
      <div class="filter">
        <Chips
          label="Lines by"
          all={GROUPINGS.map((one) => [one, `by ${one}`])}
          now={choice.by}
          onChoose={(by) => choose({ by })}
        />
        <button type="button" onClick={() => save(toCsv(rows, chosen))}>
          Save as CSV
        </button>
      </div>
      <UsageTable rows={rows} sum={total(usage)} cost={chosen} />
      <Costs costs={costs} chosen={chosen} readOn={pricesReadOn} />
    </>
  )
}

interface ToldProps {
  readonly answer: UsageAnswer
  readonly choice: Choice
}

function Tiles({ usage, cost }: { readonly usage: readonly Day[]; readonly cost: Cost }) {
  const { attempts, failed, cold, billedMs, busyMs, failedMs, gbSeconds, cpuMs, peakKb } = total(usage)
  return (
    <section class="tiles" aria-label="All together">
      <Tile name="Invocations" value={number(attempts)}>
        {number(failed)} failed, {number(cold)} in a new process
      </Tile>
      <Tile name="GB-seconds" value={rough(gbSeconds)}>
        {length(billedMs)} billed × what each may take; at most {bytes(peakKb * 1_024)} in use
      </Tile>
      <Tile name="CPU time" value={length(cpuMs)}>
        as far as it is known; {percent(busyMs === 0 ? 0 : failedMs / busyMs)} of the time went into calls
        that failed
      </Tile>
      <Tile name={`Would have cost at ${cost.cloud}`} value={dollars(cost.usd)}>
        {cost.of}
      </Tile>
    </section>
  )
}

function Costs({ costs, chosen, readOn }: CostsProps) {
  return (
    <section>
      <h2>What all of it would have cost</h2>
      <table class="rows">
        <thead>
          <tr>
            <th>At</th>
            <th class="num">Cost</th>
            <th>Which price</th>
            <th>Note</th>
            <th>Use</th>
          </tr>
        </thead>
        <tbody>
          {costs.map((cost) => (
            <tr key={cost.cloud}>
              <td data-label="At">
                <a href={cost.source} target="_blank" rel="noreferrer">
                  {cost.cloud}
                </a>
              </td>
              <td data-label="Cost" class="num">
                {dollars(cost.usd)}
              </td>
              <td data-label="Which price">{cost.of}</td>
              <td data-label="Note">{cost.note ?? '–'}</td>
              <td data-label="Use" class="whole">
                {cost === chosen ? (
                  'used above'
                ) : (
                  <a href={link(['usage'], { ...Object.fromEntries(place.value.query), cloud: cost.cloud })}>
                    use above
                  </a>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="count">
        List prices as read on {readOn}, without what plans include, monthly fees and discounts.
      </p>
    </section>
  )
}

interface CostsProps {
  readonly costs: readonly Cost[]
  readonly chosen: Cost
  readonly readOn: string
}

function save(csv: string): void {
  const url = URL.createObjectURL(new Blob([csv], { type: 'text/csv' }))
  const anchor = Object.assign(document.createElement('a'), { href: url, download: 'tappet-usage.csv' })
  anchor.click()
  URL.revokeObjectURL(url)
}
