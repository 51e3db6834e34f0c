import pg from 'pg'
import type { OpenSide } from '../harness/side.ts'
import { reporter } from './report.ts'

/** `pg_notify` with the row in a trigger on the table `rows`, and a client that listens: what nobody hears is lost. */
export const notifyListener: OpenSide = async ({ databaseUrl, folder }) => {
  const report = reporter(folder)
  const client = new pg.Client(databaseUrl)
  await client.connect()
  await client.query(`
    create function notify_row() returns trigger language plpgsql as $$
      begin perform pg_notify('rows', row_to_json(new)::text); return null; end $$;
    create trigger notify_row after insert or update on rows for each row execute function notify_row()`)
  client.on('notification', ({ payload = '' }) => report(JSON.parse(payload) as { sent: number }))
  await client.query('listen rows')
  return { close: () => client.end() }
}

/** No trigger at all: how fast writers are by themselves. */
export const nobody: OpenSide = async () => ({ close: async () => undefined })
