import { Command, CommanderError } from 'commander'
import { nearest } from '../lib/nearest.ts'
import { VERSION } from '../lib/version.ts'
import type { Io } from './cli.ts'
import { type CliError, EXIT, toCliError, usageError } from './errors.ts'
import { createPaint, printable } from './text.ts'
import { createVerb } from './verb.ts'
import { addAlerts } from './verbs/alerts.ts'
import { addAudit } from './verbs/audit.ts'
import { addBulk } from './verbs/bulk.ts'
import { addEvents } from './verbs/events.ts'
import { addLogs } from './verbs/logs.ts'
import { addQueues } from './verbs/queues.ts'
import { addStatus } from './verbs/status.ts'
import { addWorkers } from './verbs/workers.ts'
import { addCancel } from './verbs/cancel.ts'
import { addCompletion } from './verbs/completion.ts'
import { addDb } from './verbs/db.ts'
import { addDev } from './verbs/dev.ts'
import { addDlq } from './verbs/dlq.ts'
import { addDoctor } from './verbs/doctor.ts'
import { addExplain } from './verbs/explain.ts'
import { addFunctions } from './verbs/functions.ts'
import { addInit } from './verbs/init.ts'
import { addNew } from './verbs/new.ts'
import { addInvoke } from './verbs/invoke.ts'
import { addKeys } from './verbs/keys.ts'
import { addMigrate } from './verbs/migrate.ts'
import { addReplay } from './verbs/replay.ts'
import { addRuns } from './verbs/runs.ts'
import { addSchedules } from './verbs/schedules.ts'
import { addSend } from './verbs/send.ts'
import { addStart } from './verbs/start.ts'
import { addUpload } from './verbs/upload.ts'
import { addUsage } from './verbs/usage.ts'
import { addVersion } from './verbs/version.ts'

/** Runs one command line. Resolves with what the process should end with; never rejects. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  let exitCode: number = EXIT.ok
  const program = createProgram(io, (code) => {
    exitCode = code
  })
  try {
    await program.parseAsync(args.length === 0 ? ['--help'] : [...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
    const failure = error instanceof CommanderError ? fromCommander(error) : toCliError(error)
    report(failure, io, {
      json: args.includes('--json'),
      verbose: args.includes('-v') || args.includes('--verbose'),
    })
    return failure.exitCode
  }
}

export function createProgram(io: Io, onExit: (code: number) => void): Command {
  const program = new Command('tappet')
    .description('Runs functions on HTTP requests, row changes, uploads, cron ticks and queue messages.')
    .version(VERSION, '-V, --version')
    .option('--json', 'print one JSON document; lists that are followed are JSON lines')
    .option('--url <url>', 'the server to talk to (TAPPET_URL; default: the one of this folder)')
    .option('--token <key>', 'a key of it (TAPPET_TOKEN; default: the one in .tappet/)')
    .option('--cwd <folder>', "the project's folder (default: this one)")
    .option('--no-color', 'print no colours (NO_COLOR)')
    .option('-q, --quiet', 'print results only')
    .option('-v, --verbose', 'print where an error came from')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      '\nA flag wins over the environment, which wins over .env.local, which wins over .env.' +
        '\nExit codes: 0 done · 1 failed · 2 usage · 3 configuration or schema · 4 no server or database · 5 not found ·' +
        '\n  6 not allowed · 7 conflict · 8 the run failed · 9 waited too long · 10 partly done · 130 Ctrl-C · 143 SIGTERM',
    )
  const verb = createVerb(io, onExit)
  program.commandsGroup('Build')
  for (const add of [addInit, addNew]) add(program, verb)
  program.commandsGroup('Run')
  for (const add of [addDev, addStart, addMigrate]) add(program, verb)
  program.commandsGroup('Try')
  for (const add of [addSend, addInvoke, addUpload]) add(program, verb)
  program.commandsGroup('Look')
  for (const add of [addStatus, addFunctions, addRuns, addEvents, addLogs, addDlq, addQueues])
    add(program, verb)
  for (const add of [addSchedules, addWorkers, addAlerts, addUsage, addDb, addVersion]) add(program, verb)
  program.commandsGroup('Fix')
  for (const add of [addReplay, addCancel, addBulk, addDoctor, addExplain]) add(program, verb)
  program.commandsGroup('Admin')
  for (const add of [addKeys, addAudit, addCompletion]) add(program, verb)
  settle(program, io)
  return program
}

/** Errors are thrown to `run` instead of printed; help goes where data goes. */
function settle(command: Command, io: Io): void {
  command.hook('preSubcommand', refuseUnknown)
  command.exitOverride().configureOutput({
    writeOut: (text) => void io.stdout.write(text),
    writeErr: () => undefined,
  })
  for (const child of command.commands) settle(child, io)
}

/** A default subcommand is for no subcommand at all: it would take a misspelt one for its argument. */
function refuseUnknown({ args, commands }: Command): void {
  const [given] = args
  const names = commands.map((command) => command.name())
  if (given === undefined || given.startsWith('-') || given === 'help' || names.includes(given)) return
  const near = nearest(given, names)
  const hint = near === null ? `There is ${names.join(', ')}.` : `Did you mean ${near}?`
  throw usageError(`unknown command '${given}'`, hint)
}

function fromCommander({ code, message }: CommanderError): CliError {
  if (code === 'commander.help') return usageError('expected a command, got flags alone')
  const [what = '', suggestion] = message.replace(/^error: /, '').split('\n')
  const hint = suggestion?.match(/^\((Did you mean .*\?)\)$/)?.[1]
  return usageError(what, hint ?? 'Add --help for what there is.')
}

interface ReportOptions {
  readonly json: boolean
  readonly verbose: boolean
}

function report(
  { code, message, hint, issues, cause }: CliError,
  { stderr }: Io,
  { json, verbose }: ReportOptions,
): void {
  if (json) {
    const error = { code, message, hint, ...(issues.length > 0 && { issues }) }
    return void stderr.write(`${JSON.stringify({ error }, null, 2)}\n`)
  }
  const { red, bold, dim } = createPaint(stderr.isTTY === true)
  const stack = verbose && cause instanceof Error ? `\n${cause.stack ?? ''}` : ''
  const more = code === 'TPT_USAGE' ? '' : dim(` · npx tappet explain ${code}`)
  stderr.write(`${red('✖')} ${bold(code)} ${printable(message)}\n  fix: ${hint}${more}\n${printable(stack)}`)
}
