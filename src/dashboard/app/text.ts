/** How times, lengths and sizes read. */
export function ago(time: string | null, nowMs = Date.now()): string {
  if (time === null) return '–'
  const ms = nowMs - Date.parse(time)
  const text = length(Math.abs(ms))
  return ms >= 0 ? `${text} ago` : `in ${text}`
}

export function length(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} m ${Math.round((ms % 60_000) / 1_000)} s`
  if (ms < 172_800_000) return `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} m`
  return `${Math.floor(ms / 86_400_000)} d`
}

export function bytes(n: number): string {
  if (n < 1_024) return `${n} B`
  if (n < 1_048_576) return `${(n / 1_024).toFixed(1)} KB`
  return `${(n / 1_048_576).toFixed(1)} MB`
}

export const number = (n: number): string => n.toLocaleString('en-US')

export const percent = (share: number | null): string =>
  share === null ? '–' : `${(share * 100).toFixed(share === 1 ? 0 : 1)} %`

export const pretty = (value: unknown): string => JSON.stringify(value, null, 2) ?? 'nothing'

/** `run_01J…K2M7`: enough to tell apart. */
export const short = (id: string): string => (id.length > 16 ? `${id.slice(0, 7)}…${id.slice(-4)}` : id)
