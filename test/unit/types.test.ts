import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What the compiler says about mistakes that authors make: it is part of the product how that reads. */
const MISTAKES: readonly (readonly [string, RegExp])[] = [
  [`postgres.table('orders', { row: Order }).onUpdate({ of: ['totl'] })`, /Did you mean '"total"'\?/],
  [
    `http.post('/a/:id').path.length; defineFunction({ on: http.post('/a/:id') }, (e) => e.request.params.orderId)`,
    /'orderId' does not exist/,
  ],
  [
    `defineFunction({ on: cron('* * * * *'), timeout: '10 minutes' }, () => {})`,
    /"10 minutes"' is not assignable to type .`\$\{number\}d`/,
  ],
  [
    `defineFunction({ on: cron('* * * * *'), retry: { tries: 3 } }, () => {})`,
    /'tries' does not exist in type/,
  ],
]

describe('mistakes of authors', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(import.meta.dirname, '..', 'types', 'tmp-'))
  })
  after(() => rm(folder, { recursive: true }))

  it('read well', async () => {
    const head = `import { cron, defineFunction, http, postgres } from 'tappet'\nimport * as z from 'zod'\nconst Order = z.object({ id: z.string(), total: z.number() })\nvoid [cron, defineFunction, http, postgres, Order]\n`
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: '../../../tsconfig.json', include: ['*.ts'] }),
    )
    await Promise.all(MISTAKES.map(([code], i) => writeFile(join(folder, `m${i}.ts`), `${head}${code}\n`)))
    const tsc = join(import.meta.dirname, '..', '..', 'node_modules', '.bin', 'tsc')
    const { stdout } = await run(tsc, ['--noEmit', '-p', folder]).catch((error: { stdout: string }) => error)
    MISTAKES.forEach(([code, said], i) => {
      const lines = stdout
        .split('\n')
        .filter((line) => line.includes(`m${i}.ts`))
        .join('\n')
      assert.match(lines, said, code)
    })
  })
})
