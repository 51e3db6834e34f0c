const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

type Unit = keyof typeof UNITS

/** A length of time as people write it: `'500ms'`, `'10s'`, `'5m'`, `'2h'`, `'1d'`. */
export type Duration = `${number}${Unit}`

/**
 * Milliseconds in a duration.
 *
 * @throws RangeError when the text is not a number followed by `ms`, `s`, `m`, `h` or `d`.
 */
export function toMs(duration: Duration): number {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(duration)
  if (!match)
    throw new RangeError(`must be like '30s', got ${JSON.stringify(String(duration).slice(0, 100))}`)
  return Math.round(Number(match[1]) * UNITS[match[2] as Unit])
}

/** A length of time as people read it: `85 ms`, `1.3 s`, `4m 12s`, `2h 5m`. */
export function formatMs(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)}m ${Math.round((ms % 60_000) / 1_000)}s`
  return `${Math.floor(ms / 3_600_000)}h ${Math.round((ms % 3_600_000) / 60_000)}m`
}
