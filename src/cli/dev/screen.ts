import { relative } from 'node:path'
import type { App } from '../../app.ts'
import type { Config } from '../../config.ts'
import { formatMs } from '../../lib/duration.ts'
import { VERSION } from '../../lib/version.ts'
import type { Schedule } from '../../api/deps.ts'
import { formatInstant, pad, type Paint } from '../text.ts'
import { functionTable, problemLines } from '../verbs/functions.ts'

export interface ScreenParts {
  readonly app: Pick<
    App,
    'url' | 'database' | 'databaseVersion' | 'databaseUrl' | 'engine' | 'catalog' | 'triggerProblems'
  >
  readonly config: Config
  readonly schedules: readonly Schedule[]
  /** Those that were there. */
  readonly envFiles: readonly string[]
  readonly tryIt: readonly string[]
  /** A link that signs in once. */
  readonly dashboard: string
  readonly readyMs: number
  readonly paint: Paint
}

const NAME_WIDTH = 11

/** What `dev` says when it is ready. */
export function devScreen(parts: ScreenParts): string {
  const { app, envFiles, tryIt, readyMs, paint } = parts
  const { functions, problems } = app.catalog()
  const named = (name: string, text: string): string => `${pad(name, NAME_WIDTH)}${text}`
  const times = nextTimes(parts.schedules)
  const table = functionTable(
    functions,
    Infinity,
    (functionId, index) => times.get(`${functionId}#${index}`) ?? '',
  )
  const broken = problemLines({ functions, problems, triggerProblems: app.triggerProblems() })
  const lines = [
    `${paint.bold(`TAPPET ${VERSION}`)}  dev  ${paint.dim(`ready in ${(readyMs / 1_000).toFixed(1)} s`)}`,
    '',
    named('Dashboard', `${paint.cyan(parts.dashboard)}  ${paint.dim('signs you in once')}`),
    named('Server', paint.cyan(app.url)),
    named('Postgres', postgresText(parts)),
    named('Queue', app.engine),
    ...(envFiles.length > 0 ? [named('Env', envFiles.join(', '))] : []),
    '',
    ...(functions.length > 0 ? table.split('\n') : ['No functions yet: write one in functions/.']),
    ...(broken.length > 0 ? ['', ...broken.map((line) => paint.red(line))] : []),
    ...(tryIt.length > 0 ? ['', ...tryIt.map((line, i) => named(i === 0 ? 'Try it' : '', line))] : []),
    '',
    paint.dim('Ctrl-C stops. Files in functions/ are watched.'),
  ]
  return `\n${lines.map((line) => (line === '' ? '' : `  ${line}`)).join('\n')}\n`
}

function postgresText({ app, config }: ScreenParts): string {
  const { hostname, port } = new URL(app.databaseUrl)
  const where = `${hostname}:${port || 5432}`
  if (app.database === 'given') return `${app.databaseVersion} at ${where} (DATABASE_URL)`
  return `embedded ${app.databaseVersion} at ${where} (${relative(config.root, config.stateFolder)}/pg)`
}

function nextTimes(schedules: readonly Schedule[], now = new Date()): Map<string, string> {
  const times = new Map<string, string>()
  for (const { id, nextAt, timezone } of schedules) {
    if (nextAt === null) continue
    const inMs = Math.max(0, nextAt.getTime() - now.getTime())
    times.set(id, `next ${formatInstant(nextAt, timezone, now)} (in ${formatMs(inMs)})`)
  }
  return times
}
