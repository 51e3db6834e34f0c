import type { Report } from './report.ts'

const LEFT = 470
const WIDTH = 900
const BAR = 16

/** Bars of ours ÷ theirs on a logarithmic scale, with the spread of the rounds; 1 is the line in the middle. */
export function drawChart({ group, outcomes, date, machine }: Report): string {
  const x = (ratio: number): number => {
    const place = Math.log10(Math.min(100, Math.max(0.01, ratio || 0.01)))
    return LEFT + ((place + 2) / 4) * (WIDTH - LEFT - 60)
  }
  const parts: string[] = []
  let y = 44
  for (const { title, rows, headline } of outcomes) {
    parts.push(`<text x="10" y="${y}" font-weight="bold">${escape(`${title}: ${headline}`)}</text>`)
    y += 8
    for (const { name, ratios } of rows.slice(1)) {
      const { median, min, max } = ratios[headline] ?? { median: 1, min: 1, max: 1 }
      const from = Math.min(x(1), x(median))
      const middle = y + BAR / 2
      parts.push(
        `<text x="${LEFT - 8}" y="${y + 12}" text-anchor="end">${escape(name)}</text>`,
        `<rect x="${from.toFixed(1)}" y="${y}" width="${Math.abs(x(median) - x(1)).toFixed(1)}" height="${BAR - 4}" fill="#5b7fa8"/>`,
        `<line x1="${x(min).toFixed(1)}" y1="${middle - 2}" x2="${x(max).toFixed(1)}" y2="${middle - 2}" stroke="#222"/>`,
        `<text x="${WIDTH - 50}" y="${y + 12}">${median.toFixed(2)}×</text>`,
      )
      y += BAR
    }
    y += 22
  }
  const marks = [0.01, 0.1, 1, 10, 100].map(
    (mark) =>
      `<line x1="${x(mark)}" y1="30" x2="${x(mark)}" y2="${y}" stroke="${mark === 1 ? '#222' : '#ccc'}"/><text x="${x(mark)}" y="26" text-anchor="middle" fill="#666">${mark}×</text>`,
  )
  const title = `${group}: ours ÷ theirs, log scale; ${date.slice(0, 10)}, ${machine}`
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 10}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="10" y="14">${escape(title)}</text>
${[...marks, ...parts].join('\n')}
</svg>
`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
