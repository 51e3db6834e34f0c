import type { Transaction } from '../../define/context.ts'
import { TappetError } from '../../errors.ts'

/** SQLSTATE: there is no such function, no such schema, no right to use it. */
const MISSING = ['42883', '3F000', '42501']
const MAX_NAME = 200

/** Records the run in the author's transaction; false if it is recorded already. */
export async function once(transaction: Transaction, runId: string, name = ''): Promise<boolean> {
  if (typeof (transaction as Partial<Transaction> | null)?.query !== 'function')
    throw new TypeError(
      '`ctx.once` takes a client in a transaction first, such as `await ctx.db.connect()` gives',
    )
  if ('totalCount' in transaction)
    throw new TypeError(
      '`ctx.once` takes a client in a transaction, got a pool, whose queries go over any connection',
    )
  if (transaction.getTransactionStatus?.() === 'I')
    throw new TypeError(
      '`ctx.once` must be called between BEGIN and COMMIT, with what it guards; got a client outside',
    )
  if (typeof name !== 'string' || name.length > MAX_NAME)
    throw new TypeError(`the name of \`ctx.once\` must be a string of at most ${MAX_NAME} characters`)
  const { rows } = await ask(transaction, runId, name)
  return (rows[0] as { readonly first: boolean }).first
}

async function ask(
  transaction: Transaction,
  runId: string,
  name: string,
): Promise<{ readonly rows: readonly unknown[] }> {
  try {
    return await transaction.query('select tappet.once($1, $2) as first', [runId, name])
  } catch (error) {
    if (!MISSING.includes((error as { readonly code?: string }).code ?? '')) throw error
    const message =
      '`ctx.once` needs the function tappet.once in this database, and the right to execute it: ' +
      'run `tappet migrate` with its URL as DATABASE_URL'
    throw new TappetError('TPT_CONFIG_INVALID', message, { cause: error })
  }
}
