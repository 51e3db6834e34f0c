import { TappetError } from '../errors.ts'
import type { AlertSettings } from './settings.ts'

/** What the environment says, each by itself. */
export interface AlertVariables {
  readonly TAPPET_ALERT_WEBHOOK_URL?: string | undefined
  readonly TAPPET_ALERT_WEBHOOK_SECRET?: string | undefined
  readonly TAPPET_ALERT_SLACK_URL?: string | undefined
  readonly TAPPET_ALERT_SMTP_URL?: string | undefined
  readonly TAPPET_ALERT_MAIL_TO: readonly string[]
  readonly TAPPET_ALERT_MAIL_FROM: string
  readonly TAPPET_ALERT_ALLOW_HOSTS: readonly string[]
  readonly TAPPET_ALERT_EVERY: number
  readonly TAPPET_ALERT_WINDOW: number
  readonly TAPPET_ALERT_FAILURES: number
  readonly TAPPET_ALERT_QUEUE_AGE: number
}

/** @throws TappetError TPT_CONFIG_INVALID when there is a mail server and nobody to write to, or the other way round. */
export function readAlerts(variables: AlertVariables): AlertSettings | null {
  const { TAPPET_ALERT_WEBHOOK_URL: webhook, TAPPET_ALERT_SLACK_URL: slack } = variables
  const { TAPPET_ALERT_SMTP_URL: server, TAPPET_ALERT_MAIL_TO: to } = variables
  if ((server === undefined) !== (to.length === 0)) {
    const message = 'mail needs both TAPPET_ALERT_SMTP_URL and TAPPET_ALERT_MAIL_TO, got one of them'
    throw new TappetError('TPT_CONFIG_INVALID', message)
  }
  if (webhook === undefined && slack === undefined && server === undefined) return null
  return {
    everyMs: variables.TAPPET_ALERT_EVERY,
    windowMs: variables.TAPPET_ALERT_WINDOW,
    failures: variables.TAPPET_ALERT_FAILURES,
    queueAgeMs: variables.TAPPET_ALERT_QUEUE_AGE,
    webhook:
      webhook === undefined ? null : { url: webhook, secret: variables.TAPPET_ALERT_WEBHOOK_SECRET ?? null },
    slack: slack ?? null,
    mail: server === undefined ? null : { server, from: variables.TAPPET_ALERT_MAIL_FROM, to },
    allowHosts: variables.TAPPET_ALERT_ALLOW_HOSTS,
  }
}
