import { type Command, InvalidArgumentError } from 'commander'
import { TappetError } from '../../errors.ts'
import { type Duration, toMs } from '../../lib/duration.ts'
import { giveWay } from '../../lib/give-way.ts'
import type { Logger } from '../../lib/log.ts'
import { pause } from '../../lib/service.ts'
import { readConfig, readEnvironment, ROLES, type Role } from '../../config.ts'
import { runUntilStopped } from '../app-run.ts'
import type { Cli } from '../cli.ts'
import { duration, portNumber } from '../input.ts'
import { examples, type Verb } from '../verb.ts'

interface Options {
  readonly role?: readonly Role[]
  readonly port?: number
  readonly host?: string
  readonly envFile?: readonly string[]
  readonly wait: Duration
}

export function addStart(program: Command, verb: Verb): void {
  program
    .command('start')
    .description('serve functions: for production; reads no .env by itself')
    .option(
      '--role <roles>',
      `what this process does: all, or some of ${ROLES.join(',')} (TAPPET_ROLES)`,
      readRoles,
    )
    .option('--port <port>', 'the port to listen on (PORT; default: 4400)', portNumber)
    .option('--host <host>', 'the address to listen on (HOST; default: 127.0.0.1)')
    .option('--env-file <file>', 'a file with variables, may be repeated; the environment wins', collect)
    .option(
      '--wait <duration>',
      'how long to try again when Postgres or Redis does not answer at the start',
      duration,
      '30s',
    )
    .addHelpText(
      'after',
      examples(
        'npx tappet start --host 0.0.0.0 --port 8080',
        'npx tappet start --role worker --env-file .env.production',
      ),
    )
    .action(verb((cli, options: Options) => start(cli, options)))
}

async function start(cli: Cli, { role, port, host, envFile = [], wait }: Options): Promise<number> {
  const config = readConfig(readEnvironment(cli.root, envFile, true), {
    root: cli.root,
    ...(port !== undefined && { port }),
    ...(host !== undefined && { host }),
    ...(role && { roles: role }),
  })
  if (config.roles.every((one) => one === 'worker')) giveWay()
  const { createLogger } = await import('../../lib/log.ts')
  const logger = createLogger({ level: config.logLevel, format: config.logFormat })
  const { startApp } = await import('../../app.ts')
  return runUntilStopped(cli, async (stopping) => {
    const onProgress = (message: string): void => logger.info({}, message)
    const app = await whenReachable(() => startApp(config, { mode: 'start', logger, onProgress }), {
      ...{ waitMs: toMs(wait), logger, stopping },
    })
    for (const { message } of app.catalog().problems) logger.error({}, message)
    if (cli.flags.json) cli.line({ url: app.url, functions: app.catalog().functions.length }, () => '')
    logger.info(
      { listening: app.url, functions: app.catalog().functions.length, engine: app.engine },
      'ready',
    )
    return app
  })
}

interface Patience {
  readonly waitMs: number
  readonly logger: Logger
  readonly stopping: AbortSignal
}

const TRY_AGAIN_MS = 500

/** A supervisor starts us beside our servers, or just before them: what does not answer yet is asked again. */
async function whenReachable<T>(begin: () => Promise<T>, { waitMs, logger, stopping }: Patience): Promise<T> {
  const until = performance.now() + waitMs
  for (let told = false; ; told = true) {
    try {
      return await begin()
    } catch (error) {
      const away = error instanceof TappetError && error.code === 'TPT_UNAVAILABLE'
      if (!away || stopping.aborted || performance.now() >= until) throw error
      if (!told) logger.warn({ error: error.message }, 'cannot start yet, trying again')
      // Nothing else keeps the process alive meanwhile.
      const keepAlive = setTimeout(() => undefined, 2 * TRY_AGAIN_MS)
      await pause(TRY_AGAIN_MS, stopping)
      clearTimeout(keepAlive)
    }
  }
}

function collect(file: string, before: readonly string[] = []): readonly string[] {
  return [...before, file]
}

function readRoles(given: string, before: readonly Role[] = []): readonly Role[] {
  const names = given.split(',').map((name) => name.trim())
  const unknown = names.find((name) => name !== 'all' && !ROLES.includes(name as Role))
  if (unknown !== undefined) throw new InvalidArgumentError(`Allowed are all, ${ROLES.join(', ')}.`)
  return names.includes('all') ? ROLES : [...new Set([...before, ...(names as Role[])])]
}
