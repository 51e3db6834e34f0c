/**
 * Functions on every trigger. What they did is told by a synchronous write of their own: a line that went through a pipe
 * or a buffer can be lost with the process, and would look like a lost event.
 */
const head = (
  restMs: number,
): string => `import { cron, defineFunction, http, postgres, queue, upload } from 'tappet'
import { appendFileSync } from 'node:fs'
void [cron, http, postgres, queue, upload]
const note = async (kind: string, n: unknown, runId: string): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, ${restMs}))
  appendFileSync('oracle.log', kind + ' ' + n + ' ' + runId + '\\n')
}
`

const RETRY = `retry: { attempts: 3, delay: '500ms' }`

const on = (restMs: number, trigger: string, kind: string, n: string): string =>
  `${head(restMs)}export default defineFunction({ on: ${trigger}, ${RETRY} }, async (event, ctx) => {
  await note('${kind}', ${n}, ctx.runId)
})
`

const data = '(event.data as { n: number }).n'

/** Ways in which a run takes its process down, or tries to. They share it with runs that are innocent. */
export const POISONS = ['exit', 'segfault', 'loop', 'reject', 'flood'] as const

const mixed = (restMs: number): string => `${head(restMs)}export default defineFunction(
  { on: queue('mixed'), retry: { attempts: 2, delay: '200ms' }, timeout: '2s' },
  async (event, ctx) => {
    const { n, poison } = event.data as { n: number; poison?: string }
    switch (poison) {
      case 'exit':
        return process.exit(3)
      case 'segfault':
        return process.kill(process.pid, 'SIGSEGV')
      case 'loop':
        for (;;);
      case 'reject':
        void Promise.reject(new Error('nobody waits for me'))
        return new Promise(() => undefined)
      case 'flood':
        for (let i = 0; i < 20_000; i++) console.log('x'.repeat(500))
        throw new Error('flooded')
    }
    await note('mixed', n, ctx.runId)
  },
)
`

/** @param restMs how long each takes, without computing. */
export const functionsOf = (restMs: number): Readonly<Record<string, string>> => ({
  'http.ts': on(restMs, `http.post('/http')`, 'http', data),
  'batch.ts': on(restMs, `queue('batch')`, 'batch', data),
  'sql.ts': on(restMs, `queue('sql')`, 'sql', data),
  'row.ts': on(restMs, `postgres.table('things').onInsert()`, 'row', 'event.data.id'),
  'file.ts': on(restMs, `upload('chaos/:id')`, 'file', 'event.data.params.id'),
  'tick.ts': on(restMs, `cron('* * * * * *', { catchUp: 'all' })`, 'tick', 'event.data.scheduledAt'),
  'mixed.ts': mixed(restMs),
})
