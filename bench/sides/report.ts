import { appendFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where functions write how late they were called, the same way on every side. */
export const REPORT = 'arrived.log'

/** Milliseconds of the machine’s clock, with fractions. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}

/** Writes a line, at once: when it arrived, and how long after what it is about. */
export function reporter(folder: string): (row: { readonly sent: number }) => void {
  const path = join(folder, REPORT)
  return ({ sent }) => appendFileSync(path, `${now()} ${now() - Number(sent)}\n`)
}
