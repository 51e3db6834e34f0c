import type { Target } from './target.ts'
import type { Reply } from './wire.ts'

/** A row of the ledger, as far as cases look at it. */
export interface Stored {
  readonly event_id: string
  readonly source: string
  readonly type: string
  readonly subject: string | null
  readonly payload: {
    readonly data: unknown
    readonly request?: {
      readonly params: Readonly<Record<string, string>>
      readonly query: Readonly<Record<string, unknown>>
      readonly headers: Readonly<Record<string, string>>
      readonly encoding: string
    }
    readonly message?: { readonly queue: string; readonly headers: Readonly<Record<string, string>> }
    readonly change?: { readonly table: string }
  }
}

/** The event that the sender was told of. */
export async function eventOf(target: Target, reply: Reply): Promise<Stored> {
  const told = reply.json<{ event?: string; accepted?: readonly { event: string }[] }>()
  const id = told.event ?? told.accepted?.[0]?.event
  const [row] = await target.sql<Omit<Stored, 'payload'> & { payload: string }>(
    `select event_id, source, type, subject, payload::text as payload from tappet.events where id = $1`,
    [id],
  )
  if (!row) throw new Error(`told of an event that the ledger does not have: ${reply.text()}`)
  return { ...row, payload: JSON.parse(row.payload) as Stored['payload'] }
}
