import type { Command } from 'commander'
import { formatAge, formatTable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

interface SentWorker {
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly startedAt: string
  readonly heartbeatAt: string
  readonly running: number
}

export function addWorkers(program: Command, verb: Verb): void {
  program
    .command('workers')
    .description('processes that run functions, and what they have in hand')
    .addHelpText('after', examples('npx tappet workers', 'npx tappet workers --json'))
    .action(
      verb(async (cli) => {
        const found = await (await cli.server()).get<{ readonly workers: readonly SentWorker[] }>('/workers')
        const now = new Date()
        const rows = found.workers.map(({ id, host, pid, running, startedAt, heartbeatAt }) => [
          ...[id, host, String(pid), String(running)],
          formatAge(new Date(startedAt), now),
          `${formatAge(new Date(heartbeatAt), now)} ago`,
        ])
        const titles = ['WORKER', 'HOST', 'PID', 'RUNNING', 'UP', 'HEARTBEAT']
        cli.show(found, () => (rows.length === 0 ? 'no workers' : formatTable(titles, rows, cli.columns)))
      }),
    )
}
