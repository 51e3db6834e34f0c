export interface Bar {
  readonly label: string
  /** Bottom first. */
  readonly parts: readonly { readonly kind: string; readonly value: number }[]
}

interface BarsProps {
  readonly bars: readonly Bar[]
  readonly title: string
  readonly height?: number
  /** How a value reads. Default: the number. */
  readonly format?: (value: number) => string
}

/** Stacked bars as SVG, and the same as a table for those who do not see it. */
export function Bars({ bars, title, height = 48, format = String }: BarsProps) {
  const sum = (bar: Bar): number => bar.parts.reduce((total, { value }) => total + value, 0)
  const most = Math.max(0, ...bars.map(sum))
  const width = 100 / Math.max(1, bars.length)
  return (
    <figure class="bars">
      <svg viewBox={`0 0 100 ${height}`} preserveAspectRatio="none" role="img" aria-label={title}>
        {bars.flatMap((bar, i) => {
          let top = height
          return bar.parts.map(({ kind, value }) => {
            const size = (value / (most || 1)) * (height - 1)
            top -= size
            return (
              <rect
                key={`${bar.label} ${kind}`}
                class={kind}
                x={i * width}
                y={top}
                width={width * 0.85}
                height={size}
              >
                <title>{`${bar.label}: ${format(sum(bar))}`}</title>
              </rect>
            )
          })
        })}
      </svg>
      <figcaption>
        {title}, at most {format(most)}
        <details>
          <summary>as a table</summary>
          <table>
            <tbody>
              {bars
                .filter((bar) => sum(bar) > 0)
                .map((bar) => (
                  <tr key={bar.label}>
                    <th scope="row">{bar.label}</th>
                    {bar.parts.map(({ kind, value }) => (
                      <td key={kind}>
                        {kind} {format(value)}
                      </td>
                    ))}
                  </tr>
                ))}
            </tbody>
          </table>
        </details>
      </figcaption>
    </figure>
  )
}
