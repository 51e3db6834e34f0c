import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'

export interface Report {
  readonly command: string
  readonly machine: string
  readonly rows: readonly (readonly [string, string])[]
}

/** Writes figures into `docs/reports/`, with what repeats them. */
export async function writeReport(
  name: string,
  title: string,
  { command, machine, rows }: Report,
): Promise<void> {
  const folder = join(import.meta.dirname, '..', '..', 'docs', 'reports')
  await mkdir(folder, { recursive: true })
  const table = rows.map(([what, value]) => `| ${what} | ${value} |`)
  const date = new Date().toISOString().slice(0, 10)
  const text = [
    ...[`# ${title}`, '', `${date}, commit ${commit()}, ${machine}.`, '', '```', command, '```', ''],
    ...['| what | figure |', '| --- | --- |', ...table, ''],
  ]
  await writeFile(join(folder, name), text.join('\n'))
  console.log(`written: docs/reports/${name}`)
}

export function machine(): string {
  const gib = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${gib} GiB, Node.js ${process.versions.node}`
}

function commit(): string {
  return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
}
