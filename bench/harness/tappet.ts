import { makeProject, type Running } from '../../test/support/project.ts'
import { createDatabase, type Servers } from './servers.ts'

export interface RunningTappet extends Running {
  readonly folder: string
  readonly databaseUrl: string
  readonly pid: number
  close(): Promise<void>
}

let started = 0

/** `tappet start` as people run it, on the servers of the benchmark, with functions and `schema.sql` of its own. */
export async function startTappet(
  servers: Servers,
  functions: Readonly<Record<string, string>>,
  schema = 'select 1',
): Promise<RunningTappet> {
  const name = `tappet${started++}`
  const databaseUrl = await createDatabase(servers.databaseUrl, name)
  const files = Object.entries(functions).map(([file, text]) => [`functions/${file}`, text] as const)
  const project = await makeProject(Object.fromEntries(files), servers.folder)
  const environment = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: servers.redisUrl,
    TAPPET_REDIS_PREFIX: name,
    TAPPET_CONCURRENCY: '50',
    LOG_LEVEL: 'error',
  }
  for (const args of [['migrate'], ['db', 'query', schema], ['db', 'apply']]) {
    const { code, stdout, stderr } = await project.run(args, environment)
    if (code !== 0) throw new Error(`tappet ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`)
  }
  const running = await project.start(environment)
  return {
    ...running,
    ...{ folder: project.folder, databaseUrl, pid: running.child.pid ?? 0 },
    close: () => project.remove(),
  }
}
