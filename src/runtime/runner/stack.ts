import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Failure } from '../../errors.ts'

/** The folder of our own code, as `dist/runtime`. */
const OURS = dirname(dirname(fileURLToPath(import.meta.url)))

/** Names files as the author knows them, from the project's folder on, and leaves our own frames out. */
export function shortenStack(failure: Failure): Failure {
  if (failure.stack === null) return failure
  const root = `${process.cwd()}/`
  const lines = failure.stack
    .split('\n')
    .filter((line) => !/^\s+at /.test(line) || !(line.includes(OURS) || line.includes('node:internal/')))
    .map((line) => line.replaceAll(`file://${root}`, '').replaceAll(root, ''))
  return { ...failure, stack: lines.join('\n') }
}
