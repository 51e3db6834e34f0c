/**
 * One function on each trigger. What they did is told by a synchronous write of their own: a line that went through a
 * pipe or a buffer can be lost with the process, and would look like a lost event.
 */
const head = `import { cron, defineFunction, http, postgres, queue, upload } from 'tappet'
import { appendFileSync } from 'node:fs'
void [cron, http, postgres, queue, upload]
const note = async (kind: string, id: string, runId: string): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, 2))
  appendFileSync('oracle.log', kind + ' ' + id + ' ' + runId + '\\n')
}
`

const on = (trigger: string, kind: string, id: string): string =>
  `${head}export default defineFunction({ on: ${trigger}, retry: { attempts: 3, delay: '500ms' } }, async (event, ctx) => {
  await note('${kind}', ${id}, ctx.runId)
})
`

export const FUNCTIONS: Readonly<Record<string, string>> = {
  'http.ts': on(`http.post('/http')`, 'http', '(event.data as { id: string }).id'),
  'row.ts': on(`postgres.table('things').onInsert()`, 'row', 'String(event.data.id)'),
  'file.ts': on(`upload('chaos/:id')`, 'file', 'event.data.params.id'),
  'queue.ts': on(`queue('chaos')`, 'queue', '(event.data as { id: string }).id'),
  'tick.ts': on(`cron('* * * * * *', { catchUp: 'all' })`, 'tick', 'event.data.scheduledAt'),
}
