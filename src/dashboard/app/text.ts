/** How times, lengths and sizes read. */
export function ago(time: string | null, nowMs = Date.now()): string {
  if (time === null) return '–'
  const ms = nowMs - Date.parse(time)
  const text = length(Math.abs(ms))
  return ms >= 0 ? `${text} ago` : `in ${text}`
}

export function length(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms % 1_000 === 0 ? 0 : 1)} s`
  if (ms < 3_600_000) return both(ms, 60_000, ['m', 's'])
  if (ms < 172_800_000) return both(ms, 3_600_000, ['h', 'm'])
  return `${Math.floor(ms / 86_400_000)} d`
}

/** `4 m 12 s`, or `4 m` alone. */
function both(ms: number, unitMs: number, [large, small]: readonly [string, string]): string {
  const smallMs = unitMs / 60
  const n = Math.round(ms / smallMs)
  const rest = n % 60
  return `${(n - rest) / 60} ${large}${rest === 0 ? '' : ` ${rest} ${small}`}`
}

export function bytes(n: number): string {
  if (n < 1_024) return `${n} B`
  if (n < 1_048_576) return `${(n / 1_024).toFixed(1)} KB`
  if (n < 1_073_741_824) return `${(n / 1_048_576).toFixed(1)} MB`
  return `${(n / 1_073_741_824).toFixed(1)} GB`
}

export const number = (n: number): string => n.toLocaleString('en-US')

/** Cents, or as many digits as it takes to see two. */
export function dollars(usd: number): string {
  if (usd === 0 || usd >= 0.01)
    return `$${usd.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
  return `$${usd.toLocaleString('en-US', { maximumSignificantDigits: 2 })}`
}

/** Three digits are enough to compare by. */
export const rough = (n: number): string =>
  n.toLocaleString('en-US', n >= 1_000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 })

export const percent = (share: number | null): string =>
  share === null ? '–' : `${(share * 100).toFixed(share === 1 ? 0 : 1)} %`

export const pretty = (value: unknown): string => JSON.stringify(value, null, 2) ?? 'nothing'

/** `run_01J…K2M7`: enough to tell apart. */
export const short = (id: string): string => (id.length > 16 ? `${id.slice(0, 7)}…${id.slice(-4)}` : id)

/** `27 Nov 2026, 03:00:00`, by the clock of a time zone. */
export const timeIn = (time: string, timeZone: string): string =>
  new Date(time).toLocaleString('en-GB', {
    ...{ timeZone, day: 'numeric', month: 'short', year: 'numeric' },
    ...{ hour: '2-digit', minute: '2-digit', second: '2-digit' },
  })
