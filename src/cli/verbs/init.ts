import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import type { Cli } from '../cli.ts'
import { CliError } from '../errors.ts'
import { FUNCTIONS, TRIGGERS, type TriggerName } from '../templates/functions.ts'
import { NAMES, projectFiles } from '../templates/project.ts'
import { shellQuote } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

interface Options {
  readonly on: readonly TriggerName[]
  /** `--no-install` */
  readonly install: boolean
}

export function addInit(program: Command, verb: Verb): void {
  program
    .command('init')
    .description('a new project: package.json, a function for each trigger, what to ignore')
    .argument('[dir]', 'its folder', '.')
    .option(
      '--on <triggers>',
      `with functions on these: some of ${TRIGGERS.join(',')}`,
      readTriggers,
      TRIGGERS,
    )
    .option('--no-install', 'do not run npm install')
    .addHelpText(
      'after',
      examples('npx tappet init shop', 'npx tappet init shop --on http,cron --no-install'),
    )
    .action(verb((cli, dir: string, options: Options) => init(cli, dir, options)))
}

async function init(cli: Cli, dir: string, { on, install }: Options): Promise<void> {
  const folder = resolve(cli.root, dir)
  const files = projectFiles(folder, on)
  await writeNew(folder, files)
  if (install) await npmInstall(cli, folder)
  const steps = [
    ...(folder === cli.root ? [] : [`cd ${shellQuote(relative(process.cwd(), folder))}`]),
    ...(install ? [] : ['npm install']),
    'npx tappet dev',
  ]
  cli.show({ folder, files: [...files.keys()] }, () =>
    [...files.keys()].map((file) => `  ${file}`).join('\n'),
  )
  cli.note(`\nnow: ${steps.join(' && ')}\ntry, in another terminal:`)
  for (const trigger of on) cli.note(`  ${FUNCTIONS[trigger](NAMES[trigger]).tryIt}`)
}

/** All of them or, when one is there already, none. @throws CliError TPT_CONFLICT */
export async function writeNew(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  const there = [...files.keys()].filter((file) => existsSync(join(folder, file)))
  if (there.length > 0) {
    throw new CliError(
      'TPT_CONFLICT',
      `${there.join(', ')} ${there.length > 1 ? 'are' : 'is'} there already`,
      {
        hint: 'Nothing was written. Name another folder, or a function with `tappet new`.',
      },
    )
  }
  for (const [file, text] of files) {
    const path = join(folder, file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text, { flag: 'wx' })
  }
}

async function npmInstall(cli: Cli, folder: string): Promise<void> {
  cli.note('npm install …')
  const child = spawn('npm', ['install', '--no-audit', '--no-fund', '--loglevel', 'error'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const code = await new Promise<number | null>((done) => {
    child.once('error', () => done(null)).once('exit', done)
  })
  if (code !== 0) {
    throw new CliError('TPT_UNAVAILABLE', `npm install ended with ${code === null ? 'no npm' : code}`, {
      hint: `The files are in ${folder}; run npm install there.`,
      exitCode: 1,
    })
  }
}

export function readTriggers(given: string): readonly TriggerName[] {
  const names = given.split(',').map((name) => name.trim())
  if (!names.every((name): name is TriggerName => TRIGGERS.includes(name as TriggerName)))
    throw new InvalidArgumentError(`Allowed are ${TRIGGERS.join(', ')}.`)
  return [...new Set(names)]
}
