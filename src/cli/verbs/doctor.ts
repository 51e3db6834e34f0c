import type { Command } from 'commander'
import type { Check } from '../../api/deps.ts'
import { CODES } from '../../errors.ts'
import { inspectCgroups } from '../../runtime/cgroup.ts'
import { sandboxProblem } from '../../runtime/sandbox/bubblewrap.ts'
import type { Cli } from '../cli.ts'
import { EXIT, toCliError } from '../errors.ts'
import { firstLine, pad } from '../text.ts'
import { examples, type Verb } from '../verb.ts'
import { findRunning } from '../server.ts'

const OLDEST_NODE = [20, 19] as const

export function addDoctor(program: Command, verb: Verb): void {
  program
    .command('doctor')
    .description(
      'check what Tappet needs; ends with 1 when something is wrong, with 4 when no server answers',
    )
    .addHelpText('after', examples('npx tappet doctor', 'npx tappet doctor --json'))
    .action(
      verb(async (cli) => {
        const here = await checkHere(cli)
        const { checks: there, reached } = await checkServer(cli)
        const checks = [...here, ...there]
        const problems = checks.filter(({ ok }) => !ok).length
        cli.show({ ok: problems === 0, checks }, () =>
          [...checks.map((check) => checkText(check, cli)), summary(problems)].join('\n'),
        )
        if (!reached) return EXIT.unreachable
        return problems > 0 ? EXIT.failed : EXIT.ok
      }),
    )
}

async function checkHere(cli: Cli): Promise<Check[]> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const recent = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])
  const node = { name: 'node', ok: recent, detail: `${process.versions.node} (>=${OLDEST_NODE.join('.')})` }
  return [
    recent ? node : { ...node, fix: `install Node.js ${OLDEST_NODE.join('.')} or newer` },
    await attempt('config', async () => {
      const { databaseUrl, redisUrl } = cli.config()
      return `${databaseUrl === null ? 'embedded Postgres' : 'DATABASE_URL'}, ${redisUrl === null ? 'queue on Postgres' : 'REDIS_URL'}`
    }),
    await checkSandbox(cli),
    await checkLimits(cli),
    await attempt('folder', async () => {
      const running = await findRunning(cli)
      return running ? `process ${running.pid} works in ${cli.root}` : `nothing runs in ${cli.root}`
    }),
  ]
}

/** Wrong only where all functions are to run in sandboxes: by itself, one that asks for it is told when it is loaded. */
async function checkSandbox(cli: Cli): Promise<Check> {
  const name = 'sandbox'
  const problem = await sandboxProblem()
  if (problem === null) return { name, ok: true, detail: 'bwrap confines processes' }
  const forced = await attempt(name, async () => cli.config().isolation)
  return { name, ok: forced.detail !== 'sandbox', detail: problem, fix: CODES.TPT_SANDBOX_UNAVAILABLE.hint }
}

/** Never wrong: without control groups, limits are held by looking. */
async function checkLimits(cli: Cli): Promise<Check> {
  const running = await findRunning(cli).catch(() => null)
  const { problem, path, active } = inspectCgroups(running?.pid ?? process.pid)
  const name = 'limits'
  if (problem !== null)
    return {
      name,
      ok: true,
      detail: `memory and processes of functions are counted; no control groups: ${problem}`,
    }
  const state = active ? 'hold memory and processes of functions' : 'can hold functions'
  return { name, ok: true, detail: `control groups ${state}, in ${path}` }
}

interface Ready {
  readonly status: string
  readonly checks: readonly Seen[]
}

/** A check as strangers see it has no detail. */
type Seen = Omit<Check, 'detail'> & Partial<Check>

async function checkServer(
  cli: Cli,
): Promise<{ readonly checks: readonly Check[]; readonly reached: boolean }> {
  try {
    const server = await cli.server()
    const { status, checks } = (await server.look('/readyz')).body as Ready
    const alive = { name: 'server', ok: true, detail: `${server.url} ${status}` }
    const named = checks.map((check) => ({ ...check, detail: check.detail ?? 'more with an admin key' }))
    return { checks: [alive, ...named], reached: true }
  } catch (error) {
    const { message, hint } = toCliError(error)
    return { checks: [{ name: 'server', ok: false, detail: message, fix: hint }], reached: false }
  }
}

async function attempt(name: string, look: () => Promise<string>): Promise<Check> {
  try {
    return { name, ok: true, detail: await look() }
  } catch (error) {
    const { message, hint } = toCliError(error)
    return { name, ok: false, detail: message, fix: hint }
  }
}

function checkText({ name, ok, detail, fix }: Check, { paint }: Cli): string {
  const mark = ok ? paint.green('✔') : paint.red('✖')
  const next = fix === undefined ? '' : `\n  ${ok ? 'better' : 'fix'}: ${fix}`
  return `${mark} ${pad(name, 14)} ${firstLine(detail, 300)}${next}`
}

function summary(problems: number): string {
  return problems === 0 ? 'no problems' : `${problems} ${problems === 1 ? 'problem' : 'problems'}`
}
