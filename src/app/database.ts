import pg, { type ClientBase, type Pool } from 'pg'
import type { Config } from '../config.ts'
import { keepEmbeddedPostgres } from '../embedded/keep.ts'
import { explain, TappetError } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { migrate } from '../store/migrate.ts'
import { createPool, isUnavailable } from '../store/postgres/pool.ts'

/** The ledger's database: of our own, or the one that was given. */
export interface Database {
  readonly url: string
  readonly kind: 'embedded' | 'given'
  readonly version: string
  readonly pool: Pool
  /** What the role may do that Tappet does not need; empty for a server of our own. */
  readonly excess: readonly string[]
  /** Stops the server if it is our own. The pool is the store's to close. */
  stop(): Promise<void>
}

export interface DatabaseOptions {
  readonly config: Config
  readonly logger: Logger
  readonly onProgress: (message: string) => void
}

/** Starts or finds it, checks that it keeps what it confirms, and brings the ledger up to date. */
export async function openDatabase({ config, logger, onProgress }: DatabaseOptions): Promise<Database> {
  const embedded =
    config.databaseUrl === null
      ? await keepEmbeddedPostgres({ folder: `${config.stateFolder}/pg`, onProgress }, logger)
      : null
  const url = embedded?.url ?? config.databaseUrl ?? ''
  try {
    const { version, excess } = await prepare(url, config, onProgress)
    const pool = createPool({ url, logger, max: 20 })
    const stop = async (): Promise<void> => embedded?.stop()
    const kind = embedded ? 'embedded' : 'given'
    return { url, kind, version, excess: embedded ? [] : excess, pool, stop }
  } catch (error) {
    await embedded?.stop()
    throw isUnavailable(error)
      ? new TappetError('TPT_UNAVAILABLE', `Postgres does not answer: ${explain(error)}`)
      : error
  }
}

/** On a connection of its own: some of it holds for later connections only. */
async function prepare(
  url: string,
  config: Config,
  onProgress: (message: string) => void,
): Promise<Pick<Database, 'version' | 'excess'>> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  // What is lost shows at the next query; without a listener it would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
    const version = await checkServer(client, config)
    await uncoverPublic(client, onProgress)
    const { applied } = await migrate(client, 'ledger')
    if (applied.length > 0) onProgress(`ledger: applied ${applied.join(', ')}`)
    return { version, excess: await readExcess(client) }
  } finally {
    await client.end().catch(() => undefined)
  }
}

const MIN_VERSION = 130_000
const SETTINGS = `
  select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
         array(select name from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit')
                and setting = 'off') as off`

async function checkServer(client: ClientBase, { durability }: Config): Promise<string> {
  const { rows } = await client.query<{ version: string; number: number; off: string[] }>(SETTINGS)
  const [server] = rows
  if (!server || server.number < MIN_VERSION) {
    throw new TappetError(
      'TPT_CONFIG_INVALID',
      `DATABASE_URL: expected Postgres 13 or newer, got ${server?.version}`,
    )
  }
  if (durability === 'strict' && server.off.length > 0) {
    const message = `Postgres may lose what it confirmed: ${server.off.join(', ')} is off; TAPPET_DURABILITY=fast accepts that`
    throw new TappetError('TPT_DURABILITY', message)
  }
  return server.version.split(' ')[0] ?? server.version
}

/** Attributes that no part of Tappet uses, and owning what it only fills. */
const EXCESS = `
  select array_remove(array[
    case when r.rolsuper then 'is a superuser' end, case when r.rolcreaterole then 'may make roles' end,
    case when r.rolcreatedb then 'may make databases' end, case when r.rolbypassrls then 'bypasses row security' end,
    case when r.rolreplication then 'may replicate' end,
    case when pg_has_role(n.nspowner, 'member') and not r.rolsuper then 'owns the schema tappet' end], null) as excess
  from pg_roles r, pg_namespace n where r.rolname = current_user and n.nspname = 'tappet'`

async function readExcess(client: ClientBase): Promise<readonly string[]> {
  const { rows } = await client.query<{ excess: string[] }>(EXCESS)
  return rows[0]?.excess ?? []
}

/**
 * A role called `tappet` would find our schema where it means `public`, because `"$user"` is first in the search path.
 * Its own setting for this database puts that right.
 */
async function uncoverPublic(client: ClientBase, onProgress: (message: string) => void): Promise<void> {
  const { rows } = await client.query<{ database: string }>(`
    select quote_ident(current_database()) as database where current_user = 'tappet'
       and current_setting('search_path') like '"$user"%'`)
  if (!rows[0]) return
  await client.query(`alter role tappet in database ${rows[0].database} set search_path = public`)
  onProgress(
    'set search_path = public for the role tappet, so that it does not create its tables in our schema',
  )
}
