import * as z from 'zod'
import type { Telling } from '../alerts/ledger.ts'
import { limit } from './input.ts'
import { route } from './route.ts'
import { count, ms, text, time } from './schemas.ts'

const alert = {
  id: text.describe('`alr_…`, the same when it is over.'),
  kind: text.describe('`function.failing`, `dead_letters.new`, `queue.aging` or `schedule.missed`.'),
  subject: text.describe('The function or schedule.'),
  message: text,
}

const Message = z
  .strictObject({
    id: text.describe('`msg_…`, the `webhook-id` of a webhook.'),
    destination: text.describe('`webhook`, `slack` or `mail`.'),
    type: z.enum(['alert.firing', 'alert.resolved', 'alert.test']),
    alert: z.strictObject(alert),
    state: z.enum(['told', 'waiting', 'given up']),
    attempts: count,
    error: text.nullable().describe('Why it was not taken, the last time.'),
    createdAt: time,
    at: time.describe('When it was taken or given up; of one that waits, when it is tried next.'),
  })
  .meta({ id: 'AlertMessage' })

const Firing = z
  .strictObject({ ...alert, since: time, told: z.array(Message).describe('Who was told that it began.') })
  .meta({ id: 'Alert' })

const Answer = z.strictObject({
  destinations: z
    .array(z.strictObject({ name: text, to: text.describe('A host, or who gets the mail.') }))
    .describe('Whom the process that answers tells.'),
  watching: z
    .strictObject({ everyMs: ms, windowMs: ms, failures: count, queueAgeMs: ms })
    .nullable()
    .describe(
      'From when on something counts as wrong; null: nobody is named to tell, and nothing is looked at.',
    ),
  firing: z.array(Firing).describe('Newest first.'),
  recent: z.array(Message).describe('Messages of the last 30 days, newest first.'),
})

const Test = z.strictObject({
  destination: z.enum(['webhook', 'slack', 'mail']).optional().describe('Default all.'),
})

const Result = z
  .strictObject({
    destination: text,
    error: text.nullable().describe('Null: the other side has taken it.'),
    tookMs: ms,
  })
  .meta({ id: 'AlertTest' })

export const alertRoutes = [
  route({
    method: 'GET',
    path: '/alerts',
    scope: 'read',
    tag: 'Alerts',
    summary: 'Alerts that are firing, since when, who was told, and the latest messages.',
    query: z.strictObject({ limit: limit(500, 50).describe('How many of the latest messages. Default 50.') }),
    answer: Answer,
    async handle({ query }, { alerts }) {
      const { firing, recent, ...rest } = await alerts.now(query.limit)
      return {
        ...rest,
        firing: firing.map(({ told, ...one }) => ({ ...one, told: told.map(messageOf) })),
        recent: recent.map(messageOf),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/alerts/test',
    scope: 'operate',
    tag: 'Alerts',
    summary: 'Sends a notice of type `alert.test` now, once, and says whether it was taken.',
    body: Test,
    answer: z.strictObject({ results: z.array(Result) }),
    async handle({ body: { destination = null }, request }, { alerts }) {
      request.auditTarget = destination ?? 'all'
      return { results: await alerts.test(destination) }
    },
  }),
]

function messageOf({ notice, ...rest }: Telling): object {
  const { id, kind, subject, message } = notice.data
  return { ...rest, type: notice.type, alert: { id, kind, subject, message } }
}
