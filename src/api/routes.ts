import * as z from 'zod'
import { alertRoutes } from './alerts.ts'
import { auditRoutes } from './audit.ts'
import { databaseRoutes } from './databases.ts'
import { bulkRoutes } from './bulk.ts'
import { deadLetterRoutes } from './dead-letters.ts'
import { eventRoutes } from './events.ts'
import { functionRoutes } from './functions.ts'
import { keyRoutes } from './keys.ts'
import { logRoutes } from './logs.ts'
import { openapi } from './openapi.ts'
import { overviewRoutes } from './overview.ts'
import { queueRoutes } from './queues.ts'
import { type Route, route } from './route.ts'
import { runRoutes } from './runs.ts'
import { scheduleRoutes } from './schedules.ts'
import { streamRoutes } from './stream/routes.ts'
import { tickRoutes } from './ticks.ts'
import { triggerRoutes } from './triggers.ts'
import { uploadRoutes } from './uploads.ts'
import { usageRoutes } from './usage.ts'

/** All routes of the admin API. */
export const ROUTES: readonly Route[] = [
  ...overviewRoutes,
  ...alertRoutes,
  ...eventRoutes,
  ...triggerRoutes,
  ...databaseRoutes,
  ...functionRoutes,
  ...runRoutes,
  ...bulkRoutes,
  ...deadLetterRoutes,
  ...scheduleRoutes,
  ...tickRoutes,
  ...uploadRoutes,
  ...usageRoutes,
  ...queueRoutes,
  ...logRoutes,
  ...streamRoutes,
  ...keyRoutes,
  ...auditRoutes,
  route({
    method: 'GET',
    path: '/openapi.json',
    scope: 'read',
    tag: 'API',
    summary: 'This document.',
    answer: z.looseObject({ openapi: z.literal('3.1.0') }),
    handle: async () => openapi(ROUTES),
  }),
]
