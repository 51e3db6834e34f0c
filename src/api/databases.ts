import * as z from 'zod'
import { route } from './route.ts'
import { count, ms, text, TriggerProblem } from './schemas.ts'

const State = z
  .strictObject({
    database: text.nullable().describe('The environment variable with its URL; null: that of the ledger.'),
    tables: z.array(
      z.strictObject({
        table: text,
        functions: z.array(z.strictObject({ functionId: text, label: text })),
      }),
    ),
    changes: z.array(text).describe('What `tappet db apply` would do.'),
    problems: z.array(TriggerProblem),
    error: text.nullable().describe('Why the database could not be looked at.'),
    outbox: z
      .strictObject({
        rows: count.describe('Changes and messages that wait; exact up to 10,000.'),
        oldestMs: ms,
        leader: z.boolean().describe('This process takes them.'),
        reconnects: count,
      })
      .nullable(),
  })
  .meta({ id: 'Database' })

export const databaseRoutes = [
  route({
    method: 'GET',
    path: '/databases',
    scope: 'read',
    tag: 'Databases',
    summary:
      'Tables with the functions that are bound to them, what is not installed as declared, and outboxes.',
    answer: z.strictObject({ databases: z.array(State) }),
    handle: async (_call, { databases }) => ({ databases: await databases() }),
  }),
]
