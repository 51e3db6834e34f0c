import { explain, TappetError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import type { Notice, Thresholds } from './alert.ts'
import { createDestinations, type Destination } from './destinations.ts'
import type { AlertLedger, FiringAlert, Telling } from './ledger.ts'
import type { AlertSettings } from './settings.ts'
import { MAX_ERROR } from './watcher.ts'

/** Where alerts go, as far as everybody who may read may know it: no paths, no passwords. */
export interface NamedDestination {
  /** `webhook`, `slack` or `mail`. */
  readonly name: string
  /** A host, or who gets the mail. */
  readonly to: string
}

export interface AlertsNow {
  /** As this process has them; empty: it tells nobody. */
  readonly destinations: readonly NamedDestination[]
  /** From when on something counts as wrong; null: this process looks at nothing. */
  readonly watching: (Thresholds & { readonly everyMs: number }) | null
  readonly firing: readonly (FiringAlert & { readonly told: readonly Telling[] })[]
  /** Messages of the last 30 days, newest first. */
  readonly recent: readonly Telling[]
}

export interface TestResult {
  readonly destination: string
  /** Null: the other side has taken it. */
  readonly error: string | null
  readonly tookMs: number
}

/** What people ask of alerts. Every method rejects with TPT_UNAVAILABLE when the database does not answer. */
export interface AlertDesk {
  /** @param limit how many of the recent messages. */
  now(limit: number): Promise<AlertsNow>
  /**
   * Sends a notice of type `alert.test` now, once, to one destination or to all, and says what came of it.
   *
   * @throws TappetError TPT_CONFLICT when nobody is named to tell, TPT_NOT_FOUND for a destination that is not.
   */
  test(destination: string | null): Promise<readonly TestResult[]>
}

export interface AlertDeskDeps {
  readonly settings: AlertSettings | null
  readonly ledger: Pick<AlertLedger, 'firing' | 'tellings' | 'record' | 'nowMs'>
}

const MOST_TOLD = 2_000

export function createAlertDesk({ settings, ledger }: AlertDeskDeps): AlertDesk {
  const destinations = settings === null ? [] : createDestinations(settings)
  return {
    async now(limit) {
      const [firing, recent] = await Promise.all([ledger.firing(), ledger.tellings({ limit })])
      const alerts = firing.map(({ id }) => id)
      const told = alerts.length === 0 ? [] : await ledger.tellings({ alerts, limit: MOST_TOLD })
      return {
        destinations: settings === null ? [] : namesOf(settings),
        watching: settings && watchingOf(settings),
        firing: firing.map((alert) => ({
          ...alert,
          told: told.filter(({ notice }) => notice.type === 'alert.firing' && notice.data.id === alert.id),
        })),
        recent,
      }
    },
    async test(destination) {
      const chosen = choose(destinations, destination)
      const nowMs = await ledger.nowMs()
      return Promise.all(chosen.map((one) => send(one, testNotice(nowMs), nowMs, ledger)))
    },
  }
}

function choose(destinations: readonly Destination[], name: string | null): readonly Destination[] {
  if (destinations.length === 0) {
    const message =
      'nobody is told of alerts: set TAPPET_ALERT_WEBHOOK_URL, TAPPET_ALERT_SLACK_URL or TAPPET_ALERT_SMTP_URL'
    throw new TappetError('TPT_CONFLICT', message)
  }
  const found = destinations.filter((one) => name === null || one.name === name)
  if (found.length > 0) return found
  const names = destinations.map((one) => one.name).join(', ')
  throw new TappetError(
    'TPT_NOT_FOUND',
    `expected one of the destinations ${names}, got ${JSON.stringify(name)}`,
  )
}

function testNotice(nowMs: number): Notice {
  const timestamp = new Date(nowMs).toISOString()
  const message = 'somebody wanted to see whether alerts arrive here; nothing is wrong'
  return {
    ...{ type: 'alert.test', timestamp },
    data: { id: newId('alr'), kind: 'test', subject: 'test', message, since: timestamp },
  }
}

async function send(
  { name, send: tell }: Destination,
  notice: Notice,
  nowMs: number,
  ledger: Pick<AlertLedger, 'record'>,
): Promise<TestResult> {
  const id = newId('msg')
  const began = performance.now()
  const due = { id, destination: name, notice, attempts: 1, nowS: nowMs / 1_000 }
  const error = await tell(due).then(
    () => null,
    (reason: unknown) => explain(reason).slice(0, MAX_ERROR),
  )
  const tookMs = Math.round(performance.now() - began)
  await ledger.record({ id, destination: name, notice, error })
  return { destination: name, error, tookMs }
}

function namesOf({ webhook, slack, mail }: AlertSettings): NamedDestination[] {
  return [
    ...(webhook ? [{ name: 'webhook', to: new URL(webhook.url).host }] : []),
    ...(slack === null ? [] : [{ name: 'slack', to: new URL(slack).host }]),
    ...(mail ? [{ name: 'mail', to: mail.to.join(', ') }] : []),
  ]
}

function watchingOf({ everyMs, windowMs, failures, queueAgeMs }: AlertSettings): AlertsNow['watching'] {
  return { everyMs, windowMs, failures, queueAgeMs }
}
