/** A function for each kind of trigger, as `new` and `init` write them. */
export const TRIGGERS = ['http', 'postgres', 'upload', 'cron', 'queue'] as const
export type TriggerName = (typeof TRIGGERS)[number]

export interface FunctionTemplate {
  readonly code: string
  /** SQL that the function needs, for `functions/schema.sql`. */
  readonly schema?: string
  /** How to try it, as a shell command. */
  readonly tryIt: string
}

/** @param name of the function, like `mail/send`. */
export const FUNCTIONS: Readonly<Record<TriggerName, (name: string) => FunctionTemplate>> = {
  http: (name) => ({
    code: `import { defineFunction, http } from 'tappet'
import * as z from 'zod'

const Body = z.object({ email: z.email() })

export default defineFunction(
  { on: http.post('/${name}', { body: Body, wait: '5s' }), retry: { attempts: 5, delay: '2s' } },
  async ({ data }, ctx) => {
    ctx.log.info({ email: data.email }, 'a request came in')
    return { hello: data.email }
  },
)
`,
    tryIt: `curl -d '{"email":"a@b.co"}' -H 'content-type: application/json' http://127.0.0.1:4400/${name}`,
  }),
  postgres: (name) => ({
    code: `import { defineFunction, postgres } from 'tappet'

export default defineFunction(
  { on: postgres.table('users').onInsert(), retry: { attempts: 5, delay: '2s' } },
  async ({ data: user }, ctx) => {
    ctx.log.info({ user }, 'a row was inserted')
  },
)
`,
    schema: `create table if not exists users (
  id    bigint generated always as identity primary key,
  email text not null
);
`,
    tryIt: `npx tappet db query "insert into users (email) values ('a@b.co')"   # and then: npx tappet runs list function:${name}`,
  }),
  upload: (name) => ({
    code: `import { defineFunction, upload } from 'tappet'

export default defineFunction(
  { on: upload('${name}/:user/**', { maxBytes: 50_000_000 }) },
  async ({ data: { key, size, params } }, ctx) => {
    const file = await ctx.files.open(key)
    const bytes = await file.bytes()
    ctx.log.info({ user: params.user, key, size, first: bytes.subarray(0, 8).toString('hex') }, 'a file came in')
  },
)
`,
    tryIt: `npx tappet upload package.json --to ${name}/u1/package.json`,
  }),
  cron: (name) => ({
    code: `import { cron, defineFunction } from 'tappet'

export default defineFunction(
  { on: cron('* * * * *', { timezone: 'UTC' }), retry: { attempts: 3 } },
  async ({ data }, ctx) => {
    ctx.log.info({ scheduledAt: data.scheduledAt }, 'a tick')
  },
)
`,
    tryIt: `npx tappet schedules run ${name}`,
  }),
  queue: (name) => ({
    code: `import { defineFunction, queue } from 'tappet'
import * as z from 'zod'

const Message = z.object({ to: z.email() })

export default defineFunction(
  { on: queue('${name}', { data: Message }), retry: { attempts: 8, delay: '2s' }, concurrency: 5 },
  async ({ data }, ctx) => {
    ctx.log.info({ to: data.to }, 'a message came in')
  },
)
`,
    tryIt: `npx tappet send ${name} -d '{"to":"a@b.co"}'`,
  }),
}
