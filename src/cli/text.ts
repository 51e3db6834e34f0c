import { stripVTControlCharacters } from 'node:util'

/** Colours, or none. */
export interface Paint {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
}

export function createPaint(enabled: boolean): Paint {
  const between = (open: number, close: number) => (text: string) =>
    enabled ? `\u001b[${open}m${text}\u001b[${close}m` : text
  return {
    bold: between(1, 22),
    dim: between(2, 22),
    red: between(31, 39),
    green: between(32, 39),
    yellow: between(33, 39),
    cyan: between(36, 39),
  }
}

/** Text from strangers, safe for a terminal: control characters are shown, not obeyed. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => {
    if (char === '\n' || char === '\t') return char
    return `\\u${char.codePointAt(0)?.toString(16).padStart(4, '0')}`
  })
}

/** The first line of a text, cut to so many characters. */
export function firstLine(text: string, most = 100): string {
  const [line = ''] = printable(text).split('\n', 1)
  return line.length > most ? `${line.slice(0, most - 1)}…` : line
}

/**
 * Columns as wide as what is in them, two spaces apart. Lines longer than `width` are cut in their last column.
 * A table without rows is its titles alone.
 */
export function formatTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  width = Infinity,
): string {
  const all = [titles, ...rows]
  const widths = titles.map((_, column) => Math.max(...all.map((row) => visibleWidth(row[column] ?? ''))))
  return all
    .map((row) => titles.map((_, column) => pad(row[column] ?? '', widths[column] ?? 0)).join('  '))
    .map((line) => cut(line.trimEnd(), width))
    .join('\n')
}

export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - visibleWidth(text)))
}

function visibleWidth(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length
}

/** What is left out ends in `…`; colours that were begun are ended. */
function cut(line: string, width: number): string {
  if (visibleWidth(line) <= width) return line
  let left = width - 1
  const parts = line.split(COLOUR).map((part) => {
    if (COLOUR.test(part) || left < 0) return COLOUR.test(part) ? part : ''
    const chars = Array.from(part)
    const kept = chars.slice(0, left).join('')
    left -= chars.length
    return left < 0 ? `${kept}…` : kept
  })
  return parts.join('')
}

const COLOUR = /(\u001b\[\d+m)/

/** `812 B`, `1.4 kB`, `12 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  const [value, unit] =
    bytes < 1e6 ? [bytes / 1e3, 'kB'] : bytes < 1e9 ? [bytes / 1e6, 'MB'] : [bytes / 1e9, 'GB']
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${unit}`
}

/** `████████░░░░` for a share from 0 to 1. */
export function progressBar(share: number, width = 20): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width)
  return '█'.repeat(full) + '░'.repeat(width - full)
}

/** `45s`, `3m`, `2h`, `5d` between two instants. */
export function formatAge(from: Date, to: Date): string {
  const seconds = Math.max(0, Math.round((to.getTime() - from.getTime()) / 1_000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

/** `Tue 24 Nov 03:15 CET` as the clock in a time zone shows it; the year when it is another than now. */
export function formatInstant(
  instant: Date,
  timezone: string,
  now: Date,
  seconds = instant.getUTCSeconds() !== 0,
): string {
  const options: Intl.DateTimeFormatOptions = {
    timeZone: timezone,
    ...{
      weekday: 'short',
      day: '2-digit',
      month: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    },
    ...(seconds && { second: '2-digit' }),
    ...(instant.getUTCFullYear() !== now.getUTCFullYear() && { year: 'numeric' }),
    timeZoneName: 'short',
  }
  return new Intl.DateTimeFormat('en-GB', options).format(instant).replaceAll(',', '')
}

/** An argument for a POSIX shell. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
