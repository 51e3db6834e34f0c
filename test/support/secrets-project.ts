/** Functions that are given secrets, and say what they were given. */
export const FUNCTIONS = {
  'functions/pay.ts': `import { defineFunction, http, signature } from 'tappet'
export default defineFunction(
  {
    on: http.post('/pay', {
      verify: signature.apiKey('PAY_KEY', { header: 'x-pay' }), wait: '10s',
      headers: ['authorization', 'cookie', 'proxy-authorization', 'x-api-key', 'x-gitlab-token', 'x-color'],
    }),
    retry: false, env: ['BANK'],
  },
  (event, ctx) => {
    if (!process.env.BANK) throw new Error('expected its variable')
    ctx.log.info({ event }, 'paid')
    throw new Error('the bank is closed')
  },
)
`,
  'functions/hook.ts': `import { defineFunction, http, signature } from 'tappet'
export default defineFunction(
  { on: http.post('/hook', { verify: signature.github('HOOK_SECRET'), wait: '10s' }), env: ['BANK'] },
  (event, ctx) => {
    ctx.log.info({ event }, 'hooked')
    return event.request
  },
)
`,
  'functions/watch.ts': `import { defineFunction, postgres } from 'tappet'
export default defineFunction({ on: postgres.table('things').onInsert() }, () => null)
`,
  'functions/broken.ts': `throw new Error('not today')
`,
  'functions/schema.sql': 'create table if not exists things (id int primary key)',
}

export function withPassword(href: string, user: string, password = ''): string {
  const url = new URL(href)
  url.username = user
  url.password = password
  return url.href
}

/** What the admin API shows. */
export const PAGES = [
  ...['/functions', '/runs', '/dead', '/dead?grouped=true', '/status', '/schedules'],
  ...['/keys', '/audit'],
]
