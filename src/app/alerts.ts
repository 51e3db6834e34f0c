import { type AlertDesk, createAlertDesk } from '../alerts/desk.ts'
import { createDestinations } from '../alerts/destinations.ts'
import { startAlerts } from '../alerts/watcher.ts'
import type { Config } from '../config.ts'
import type { Logger } from '../lib/log.ts'
import { createPostgresAlerts } from '../store/postgres/alerts.ts'
import type { CronTrigger } from '../triggers/cron/declare.ts'
import { scheduleId } from '../triggers/cron/normalize.ts'
import type { Subscription } from '../triggers/trigger.ts'
import type { Database } from './database.ts'
import type { Functions } from './functions.ts'

export interface AlertsDeps {
  readonly pool: Database['pool']
  readonly functions: Pick<Functions, 'subscriptions'>
  readonly logger: Logger
}

/** What people ask of alerts, and tests by hand. */
export function openAlertDesk(
  { alerts: settings }: Pick<Config, 'alerts'>,
  pool: AlertsDeps['pool'],
): AlertDesk {
  return createAlertDesk({ settings, ledger: createPostgresAlerts(pool) })
}

/** Tells whom the configuration names; nothing when it names nobody. */
export function serveAlerts(
  { alerts: settings }: Pick<Config, 'alerts'>,
  { pool, functions, logger }: AlertsDeps,
): () => Promise<void> {
  if (settings === null) return () => Promise.resolve()
  const schedules = () => functions.subscriptions('cron') as readonly Subscription<CronTrigger>[]
  const find = (id: string) => schedules().find((one) => scheduleId(one) === id)
  const alerts = startAlerts({
    ledger: createPostgresAlerts(pool),
    destinations: createDestinations(settings),
    settings,
    declared: {
      known: (id) => find(id) !== undefined,
      mayOverlap: (id) => find(id)?.trigger.overlap !== 'skip',
    },
    logger,
  })
  return () => alerts.stop()
}
