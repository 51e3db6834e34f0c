import type pg from 'pg'
import { countTicks, everySecond } from './ticks.ts'

export const SCHEDULES = 5
export const HOOK_SECRET = `whsec_${Buffer.from('a secret of the clock tests, 32 b').toString('base64')}`

const head = `import { defineFunction, http, queue, signature } from 'tappet'
import { appendFileSync } from 'node:fs'
void [http, queue, signature]
`
/** What ran is told by a synchronous write: a buffer could be lost with its process. */
const note = (name: string): string =>
  `appendFileSync('oracle.log', '${name} ' + ctx.runId + ' ' + ctx.attempt + '\\n')`

const onQueue = (name: string, body: string, retry = ''): string =>
  `${head}export default defineFunction({ on: queue('${name}')${retry} }, async (event, ctx) => {
  ${note(name)}
  ${body}
})
`

export const CLOCK_FUNCTIONS: Readonly<Record<string, string>> = {
  'ticks.ts': everySecond(SCHEDULES, `void [event, ctx]`),
  // Longer than a worker may be silent before its runs are taken over.
  'slow.ts': onQueue(
    'slow',
    'await new Promise((resolve) => setTimeout(resolve, 8_000))',
    ', concurrency: 100',
  ),
  'again.ts': onQueue(
    'again',
    `if (ctx.attempt === 1) throw new Error('once')`,
    `, retry: { attempts: 2, delay: '2s', jitter: 0 }`,
  ),
  'later.ts': onQueue('later', 'return'),
  'hook.ts': `${head}export default defineFunction({
  on: http.post('/hook', { verify: signature.standard('HOOK_SECRET') }),
}, async (event, ctx) => {
  ${note('hook')}
})
`,
}

export interface Told {
  jumps: number
  hooks: number
  /** Answers of the node whose own date was more than a minute off: the jumps do reach it. */
  astray: number
  /** Signed now, by the true clock, and refused. */
  refusedNow: number
  /** Signed an hour ago, and not refused. */
  acceptedOld: number
  readonly accepted: string[]
}

export interface Evidence {
  readonly from: Date
  readonly until: Date
  readonly told: Told
  /** Lines of name, run and attempt. */
  readonly ran: readonly string[]
}

const SUMS = `
  select (select count(*)::int from tappet.runs where losses > 0) as lost,
         (select count(*)::int from tappet.runs where state <> 'completed' and function_id <> 'ticks') as incomplete,
         (select count(*)::int from tappet.runs where function_id in ('slow', 'again', 'later')) as made,
         (select count(*)::int from tappet.runs where function_id = 'later' and started_at < created_at + interval '2 s') as soon,
         (select count(*)::int from tappet.runs r join tappet.attempts a on a.run = r.id and a.number = 1
           where r.function_id = 'again' and r.started_at < a.finished_at + interval '2 s') as hasty,
         (select coalesce(max(extract(epoch from r.started_at - a.finished_at) - 2), 0)::float8 from tappet.runs r
            join tappet.attempts a on a.run = r.id and a.number = 1 where r.function_id = 'again') as late_s`

/** Figures for the report, and what must not have been. */
export async function judge(
  db: pg.Pool,
  { from, until, told, ran }: Evidence,
): Promise<{ figures: readonly (readonly [string, string])[]; wrong: readonly string[] }> {
  const ticked = await countTicks(db, SCHEDULES, from, until)
  const { rows } =
    await db.query<Record<'lost' | 'incomplete' | 'made' | 'soon' | 'hasty' | 'late_s', number>>(SUMS)
  const [sums] = rows
  if (!sums) throw new Error('the ledger did not answer')
  const twice = ran.length - new Set(ran).size
  const zero: Readonly<Record<string, number>> = {
    'ticks double': ticked.double,
    'ticks missed': ticked.missed,
    'ticks early': ticked.early,
    'ticks without exactly one run': ticked.unpaired,
    'leases stolen': sums.lost,
    'attempts executed twice': twice,
    'runs that did not complete': sums.incomplete,
    'messages acknowledged without a run, or the other way round': Math.abs(told.accepted.length - sums.made),
    'delayed messages that started early': sums.soon,
    'retries that started early': sums.hasty,
    'webhooks signed now and refused': told.refusedNow,
    'webhooks signed an hour ago and accepted': told.acceptedOld,
  }
  const figures: [string, string][] = [
    ['jumps of up to an hour', String(told.jumps)],
    ['ticks', String(ticked.expected)],
    ['webhooks to the node that jumps', String(told.hooks)],
    ['answers with a date of their own that is wrong', String(told.astray)],
    ['messages', String(told.accepted.length)],
    ['latest retry', `${sums.late_s.toFixed(1)} s after its time`],
    ...Object.entries(zero).map(([what, count]): [string, string] => [what, String(count)]),
  ]
  const wrong = Object.entries(zero).flatMap(([what, count]) => (count === 0 ? [] : [`${what}: ${count}`]))
  if (told.astray === 0) wrong.push('no jump reached the node')
  return { figures, wrong }
}
