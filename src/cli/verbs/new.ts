import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { FUNCTIONS, TRIGGERS, type TriggerName } from '../templates/functions.ts'
import { examples, type Verb } from '../verb.ts'
import { writeNew } from './init.ts'

export function addNew(program: Command, verb: Verb): void {
  program
    .command('new')
    .description('a new function in functions/, to begin with')
    .argument('<name>', 'like mail/send', functionName)
    .addOption(new Option('--on <trigger>', 'what starts it').choices(TRIGGERS).default('http'))
    .addHelpText(
      'after',
      examples('npx tappet new mail/send --on queue', 'npx tappet new users/welcome --on postgres'),
    )
    .action(verb((cli, name: string, { on }: { readonly on: TriggerName }) => create(cli, name, on)))
}

async function create(cli: Cli, name: string, on: TriggerName): Promise<void> {
  const { code, schema, tryIt } = FUNCTIONS[on](name)
  const file = `functions/${name}.ts`
  await writeNew(cli.root, new Map([[file, code]]))
  if (schema !== undefined) await addSchema(cli, schema)
  cli.show({ file }, () => file)
  cli.note(`try it: ${tryIt}`)
}

async function addSchema(cli: Cli, schema: string): Promise<void> {
  const path = join(cli.root, 'functions', 'schema.sql')
  const before = await readFile(path, 'utf8').catch(() => '')
  if (before.includes(schema)) return
  await writeFile(path, before === '' ? schema : `${before.trimEnd()}\n\n${schema}`)
  cli.note('its table is in functions/schema.sql, which `tappet dev` runs at each start')
}

function functionName(given: string): string {
  if (/^[a-z0-9][\w-]*(\/[a-z0-9][\w-]*)*$/i.test(given)) return given
  throw new InvalidArgumentError(
    'It must be letters, digits, - and _, in parts between slashes, like mail/send.',
  )
}
