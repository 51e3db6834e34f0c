import { link } from '../router.ts'
import { bytes, dollars, length, number, rough } from '../text.ts'
import { type Cost, type Row, usdOf } from '../usage.ts'

interface UsageTableProps {
  readonly rows: readonly Row[]
  readonly sum: Row
  readonly cost: Cost
}

const MOST_ROWS = 500

const COLUMNS: readonly (readonly [title: string, cell: (row: Row) => string])[] = [
  ['Invocations', ({ attempts }) => number(attempts)],
  ['Failed', ({ failed }) => number(failed)],
  ['Billed', ({ billedMs }) => length(billedMs)],
  ['GB-seconds', ({ gbSeconds }) => rough(gbSeconds)],
  ['CPU', ({ cpuMs }) => length(cpuMs)],
  ['Most memory', ({ peakKb }) => (peakKb === 0 ? '–' : bytes(peakKb * 1_024))],
]

/** A line for each row and one for all of them, with what it would have cost at one cloud. */
export function UsageTable({ rows, sum, cost }: UsageTableProps) {
  const [byDay, byFunction] = [rows.some(({ day }) => day !== ''), rows.some((row) => row.functionId !== '')]
  const cells = (row: Row) => [
    ...COLUMNS.map(([title, cell]) => (
      <td key={title} data-label={title} class="num">
        {cell(row)}
      </td>
    )),
    <td key="cost" data-label={`At ${cost.cloud}`} class="num">
      {dollars(usdOf(row, cost.rates))}
    </td>,
  ]
  return (
    <>
      <table class="rows">
        <thead>
          <tr>
            {byDay && <th>Day (UTC)</th>}
            {byFunction && <th>Function</th>}
            {COLUMNS.map(([title]) => (
              <th key={title} class="num">
                {title}
              </th>
            ))}
            <th class="num">At {cost.cloud}</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, MOST_ROWS).map((row) => (
            <tr key={`${row.day} ${row.functionId}`}>
              {byDay && <td data-label="Day">{row.day}</td>}
              {byFunction && (
                <td data-label="Function">
                  <a href={link(['functions', row.functionId])}>{row.functionId}</a>
                </td>
              )}
              {cells(row)}
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row" colSpan={byDay && byFunction ? 2 : 1}>
              All
            </th>
            {cells(sum)}
          </tr>
        </tfoot>
      </table>
      {rows.length > MOST_ROWS && (
        <p class="count">
          The first {MOST_ROWS} of {number(rows.length)} lines; the CSV has all.
        </p>
      )}
    </>
  )
}
