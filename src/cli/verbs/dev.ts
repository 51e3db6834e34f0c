import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { App } from '../../app.ts'
import { type Config, ENV_FILES } from '../../config.ts'
import { runUntilStopped } from '../app-run.ts'
import type { Cli } from '../cli.ts'
import { freePort } from '../dev/free-port.ts'
import { createDevLogger } from '../dev/logger.ts'
import { devScreen } from '../dev/screen.ts'
import { tryItLines } from '../dev/try-it.ts'
import { watchFunctions } from '../dev/watch.ts'
import { portNumber } from '../input.ts'
import { examples, type Verb } from '../verb.ts'
import { problemLines } from './functions.ts'

interface Options {
  readonly port?: number
  readonly host?: string
}

export function addDev(program: Command, verb: Verb): void {
  program
    .command('dev')
    .description(
      'serve functions here and reload them as they change; brings its own Postgres when none is given',
    )
    .option(
      '--port <port>',
      'the port to listen on (PORT; default: the first free one from 4400 on)',
      portNumber,
    )
    .option('--host <host>', 'the address to listen on (HOST; default: 127.0.0.1)')
    .addHelpText(
      'after',
      examples('npx tappet dev', 'npx tappet dev --port 8080', 'DATABASE_URL=postgres://… npx tappet dev'),
    )
    .action(verb((cli, options: Options) => dev(cli, options)))
}

async function dev(cli: Cli, { port, host }: Options): Promise<number> {
  const asked = cli.config({ ...(port !== undefined && { port }), ...(host !== undefined && { host }) })
  const chosen = port !== undefined || Boolean(cli.environment().PORT)
  const config = chosen ? asked : { ...asked, port: await freePort(asked.host, asked.port) }
  const print = (line: string): void => void cli.io.stdout.write(`${line}\n`)
  const logger = await createLogger(cli, config, print)
  const { startApp } = await import('../../app.ts')
  return runUntilStopped(cli, async () => {
    const onProgress = (message: string): void => cli.note(cli.paint.dim(`  ${message} …`))
    const app = await startApp(config, { mode: 'dev', logger, onProgress })
    await announce(cli, app, config)
    if (config.port !== asked.port) cli.note(`  port ${asked.port} is taken: listening on ${config.port}\n`)
    const watcher = watchFunctions(cli.root, {
      onChange: (files) => reload(app, files, cli, print),
      onError: ({ message }) => logger.warn({ error: message }, 'some files in functions/ are not watched'),
    })
    return {
      async stop() {
        await watcher.close()
        await app.stop()
      },
    }
  })
}

async function createLogger(
  cli: Cli,
  config: Config,
  print: (line: string) => void,
): Promise<ReturnType<typeof createDevLogger>> {
  if (!cli.flags.json) return createDevLogger({ write: print, paint: cli.paint, level: config.logLevel })
  const { createLogger: create } = await import('../../lib/log.ts')
  return create({ level: config.logLevel, format: 'json' })
}

async function announce(cli: Cli, app: App, config: Config): Promise<void> {
  const { url, databaseUrl } = app
  const { functions, problems } = app.catalog()
  const key = config.adminToken === null ? '$(cat .tappet/admin.key)' : '$TAPPET_ADMIN_TOKEN'
  const tryIt = await tryItLines(functions, { url, databaseUrl, key })
  const schedules = await app.schedules()
  const envFiles = ENV_FILES.filter((file) => existsSync(join(cli.root, file))).toReversed()
  const token = app.loginToken?.()
  const dashboard = `${url}/_tappet/${token === undefined ? '' : `#login=${token}`}`
  const readyMs = performance.now()
  const value = {
    url,
    engine: app.engine,
    database: app.database,
    functions: functions.map(({ id }) => id),
    problems,
    dashboard,
    tryIt,
  }
  cli.line(value, () =>
    devScreen({ app, config, schedules, envFiles, tryIt, dashboard, readyMs, paint: cli.paint }),
  )
}

async function reload(
  app: App,
  files: readonly string[],
  cli: Cli,
  print: (line: string) => void,
): Promise<void> {
  const { paint } = cli
  const what = files.length === 1 ? files[0] : `${files.length} files`
  const started = performance.now()
  const before = new Map(app.catalog().functions.map(({ id, version }) => [id, version]))
  try {
    const { functions, problems } = await app.reload()
    const now = new Set(functions.map(({ id }) => id))
    const changed = functions.filter(({ id, version }) => before.get(id) !== version).length
    const gone = [...before.keys()].filter((id) => !now.has(id)).length
    const done = [changed > 0 && `reloaded ${count(changed)}`, gone > 0 && `removed ${count(gone)}`].filter(
      Boolean,
    )
    const ms = Math.round(performance.now() - started)
    if (!cli.flags.json) print(`  ${what} changed → ${done.join(', ') || 'nothing to reload'} in ${ms} ms`)
    for (const line of problemLines({ functions, problems, triggerProblems: app.triggerProblems() }))
      print(`  ${paint.red(line)}`)
  } catch (error) {
    print(`  ${paint.red(`✖ ${what} changed, but the functions could not be read: ${String(error)}`)}`)
  }
}

function count(functions: number): string {
  return `${functions} ${functions === 1 ? 'function' : 'functions'}`
}
