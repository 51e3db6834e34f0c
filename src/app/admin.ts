import { registerAdminRoutes } from '../api/admin.ts'
import type { AdminDeps } from '../api/deps.ts'
import { createStream } from '../api/stream/stream.ts'
import { startBulkRunner } from '../bulk/runner.ts'
import { createPostgresBulks } from '../store/postgres/bulks.ts'
import { createPostgresReader } from '../store/postgres/reader/reader.ts'
import { shareAnswers } from '../store/shared-reader.ts'
import type { Config } from '../config.ts'
import { openAlertDesk } from './alerts.ts'
import type { Database } from './database.ts'

/** The admin API with what works behind it: the streams, and the steps of bulk actions. Answers how to stop those. */
export function serveAdmin(
  config: Pick<Config, 'alerts'>,
  pool: Database['pool'],
  deps: Omit<AdminDeps, 'reader' | 'bulks' | 'stream' | 'alerts'>,
): () => Promise<void> {
  const { server, store, enqueue, logger, catalog } = deps
  const reader = createPostgresReader(pool)
  const bulks = createPostgresBulks(pool)
  const stream = createStream({ reader, server, logger })
  const alerts = openAlertDesk(config, pool)
  registerAdminRoutes({ ...deps, reader: shareAnswers(reader), bulks, stream, alerts })
  const knows = (functionId: string): boolean => catalog().functions.some(({ id }) => id === functionId)
  const runner = startBulkRunner({ bulks, reader, store, enqueue, knows, logger })
  return async () => {
    await Promise.all([runner.stop(), stream.stop()])
  }
}
