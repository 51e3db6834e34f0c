import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Key } from '../../access/keys.ts'
import { SCOPES, type Scope } from '../../access/scopes.ts'
import type { Cli } from '../cli.ts'
import { forEachId } from '../each.ts'
import { wholeNumber } from '../input.ts'
import { formatAge, formatTable, printable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

type Sent<T> = { readonly [Name in keyof T]: T[Name] extends Date | null ? string | null : T[Name] }
type SentKey = Sent<Key>

interface CreateOptions {
  readonly scope: readonly Scope[]
  readonly expires?: string
}

interface ListOptions {
  readonly limit: number
  readonly before?: string
}

export function addKeys(program: Command, verb: Verb): void {
  const keys = program
    .command('keys')
    .description('make, list and revoke keys: for people, programs and senders of events')
    .addHelpText(
      'after',
      examples('npx tappet keys create shop --scope ingest', 'npx tappet keys revoke key_01JD…'),
    )

  keys
    .command('create')
    .description('make a key; it is printed once, and kept nowhere')
    .argument('<name>', 'what or whom it is for')
    .addOption(
      new Option('--scope <scopes>', `what it may do: some of ${SCOPES.join(',')}`)
        .argParser(readScopes)
        .makeOptionMandatory(),
    )
    .option('--expires <duration>', 'how long it is good, like 90d (default: until it is revoked)')
    .addHelpText(
      'after',
      examples(
        'npx tappet keys create shop --scope ingest --expires 90d',
        'npx tappet keys create on-call --scope operate',
      ),
    )
    .action(verb((cli, name: string, options: CreateOptions) => create(cli, name, options)))

  keys
    .command('list', { isDefault: true })
    .description('keys, the newest first')
    .option('-n, --limit <number>', 'most of them', wholeNumber(500), 100)
    .option('--before <key>', 'only those older than this one: the page after')
    .addHelpText('after', examples('npx tappet keys list', 'npx tappet keys list --json'))
    .action(verb((cli, options: ListOptions) => list(cli, options)))

  keys
    .command('revoke')
    .description('refuse keys from now on: within a second, everywhere')
    .argument('<id...>', 'ids of keys')
    .addHelpText('after', examples('npx tappet keys revoke key_01JD…'))
    .action(
      verb(async (cli, ids: readonly string[]) => {
        const server = await cli.server()
        const revoke = (id: string): Promise<{ readonly key: SentKey }> =>
          server.post(`/keys/${encodeURIComponent(id)}/revoke`)
        return forEachId(cli, ids, revoke, ({ key }) => `revoked ${key.id} ${printable(key.name)}`)
      }),
    )
}

async function create(cli: Cli, name: string, { scope: scopes, expires }: CreateOptions): Promise<void> {
  const body = { name, scopes, ...(expires !== undefined && { expiresIn: expires }) }
  const made = await (
    await cli.server()
  ).post<{ readonly key: SentKey; readonly secret: string }>('/keys', body)
  cli.show(made, () => made.secret)
  const until = made.key.expiresAt === null ? '' : `, until ${made.key.expiresAt}`
  cli.note(cli.paint.dim(`${made.key.id}: ${made.key.scopes.join(', ')}${until}. It is not shown again.`))
}

async function list(cli: Cli, { limit, before }: ListOptions): Promise<void> {
  const server = await cli.server()
  const page = await server.get<{ readonly keys: readonly SentKey[]; readonly next: string | null }>(
    '/keys',
    {
      limit,
      before,
    },
  )
  cli.show(page, () => (page.keys.length === 0 ? 'no keys' : keyTable(page.keys, cli)))
  if (page.next !== null) cli.note(cli.paint.dim(`older ones: npx tappet keys list --before ${page.next}`))
}

function keyTable(keys: readonly SentKey[], { paint, columns }: Cli, now = new Date()): string {
  const age = (time: string | null, none: string): string =>
    time === null ? none : formatAge(new Date(time), now)
  const rows = keys.map(({ id, name, scopes, state, createdAt, lastUsedAt, expiresAt }) => [
    id,
    state === 'live' ? paint.green(state) : paint.dim(state),
    scopes.join(','),
    age(createdAt, ''),
    age(lastUsedAt, 'never'),
    expiresAt?.slice(0, 10) ?? 'never',
    printable(name),
  ])
  return formatTable(['KEY', 'STATE', 'SCOPES', 'AGE', 'USED', 'EXPIRES', 'NAME'], rows, columns)
}

function readScopes(given: string, before: readonly Scope[] = []): readonly Scope[] {
  const names = given.split(',').map((name) => name.trim())
  if (!names.every((name): name is Scope => SCOPES.includes(name as Scope)))
    throw new InvalidArgumentError(`Allowed are ${SCOPES.join(', ')}.`)
  return [...new Set([...before, ...names])]
}
