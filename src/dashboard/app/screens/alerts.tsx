import type { ComponentChildren } from 'preact'
import { get, post } from '../api.ts'
import { useLoaded } from '../live.ts'
import { link } from '../router.ts'
import { length } from '../text.ts'
import { Action, Answer, Empty, Page, Time } from '../ui/parts.tsx'

interface Message {
  readonly id: string
  readonly destination: string
  readonly type: 'alert.firing' | 'alert.resolved' | 'alert.test'
  readonly alert: { readonly kind: string; readonly subject: string; readonly message: string }
  readonly state: 'told' | 'waiting' | 'given up'
  readonly attempts: number
  readonly error: string | null
  readonly at: string
}

interface Firing {
  readonly id: string
  readonly kind: string
  readonly subject: string
  readonly message: string
  readonly since: string
  readonly told: readonly Message[]
}

interface Alerts {
  readonly destinations: readonly { readonly name: string; readonly to: string }[]
  readonly watching: {
    readonly everyMs: number
    readonly windowMs: number
    readonly failures: number
    readonly queueAgeMs: number
  } | null
  readonly firing: readonly Firing[]
  readonly recent: readonly Message[]
}

export function Alerts() {
  const alerts = useLoaded(() => get<Alerts>('/alerts', { limit: 100 }), 5_000)
  const firing = alerts.value.value?.firing.length ?? 0
  return (
    <Page title="Alerts" {...(firing > 0 && { count: firing })}>
      <Answer of={alerts}>
        {(answer) => (
          <>
            <FiringNow alerts={answer} />
            <Destinations alerts={answer} again={alerts.again} />
            <h2>Told within 30 days</h2>
            <Recent messages={answer.recent} />
          </>
        )}
      </Answer>
    </Page>
  )
}

function FiringNow({ alerts: { firing, watching } }: { readonly alerts: Alerts }) {
  if (firing.length > 0)
    return (
      <Table titles={['Alert', 'What is wrong', 'Since', 'Told']}>
        {firing.map((alert) => (
          <tr key={alert.id}>
            <td data-label="Alert" class="whole">
              <span class="status dead">✖ firing</span>
              <br />
              <a href={link(whereOf(alert))}>{alert.kind}</a>
            </td>
            <td data-label="What is wrong">{alert.message}</td>
            <td data-label="Since" class="whole">
              <Time at={alert.since} />
            </td>
            <td data-label="Told">
              {alert.told.length === 0
                ? 'nobody'
                : alert.told.map((message) => (
                    <div key={message.id}>
                      {message.destination} <Outcome message={message} />
                    </div>
                  ))}
            </td>
          </tr>
        ))}
      </Table>
    )
  return watching === null ? (
    <p class="warn">⚠ Nobody is named to tell, so nothing is looked at.</p>
  ) : (
    <p class="well">✔ No alert is firing.</p>
  )
}

/** Where somebody looks into it. */
function whereOf({ kind, subject }: Pick<Firing, 'kind' | 'subject'>): string[] {
  if (kind === 'schedule.missed') return ['schedules']
  if (kind === 'dead_letters.new') return ['dead']
  return kind === 'queue.aging' ? ['queues'] : ['functions', subject]
}

interface DestinationsProps {
  readonly alerts: Alerts
  readonly again: () => void
}

interface Result {
  readonly destination: string
  readonly error: string | null
  readonly tookMs: number
}

function Destinations({ alerts: { destinations, watching }, again }: DestinationsProps) {
  const test = (destination: string) => async (): Promise<string> => {
    const { results } = await post<{ readonly results: readonly Result[] }>('/alerts/test', { destination })
    again()
    const failed = results.filter(({ error }) => error !== null)
    if (failed.length > 0) throw new Error(failed.map(({ error }) => `not taken: ${error}`).join('; '))
    return results.map(({ tookMs }) => `taken within ${length(tookMs)}`).join(', ')
  }
  return (
    <section>
      <h2>Who is told</h2>
      {watching === null || destinations.length === 0 ? (
        <Empty>
          Name a webhook, Slack or a mail address in the environment of the process that serves this page:{' '}
          <code>TAPPET_ALERT_WEBHOOK_URL</code>, <code>TAPPET_ALERT_SLACK_URL</code> or{' '}
          <code>TAPPET_ALERT_SMTP_URL</code> with <code>TAPPET_ALERT_MAIL_TO</code>.
        </Empty>
      ) : (
        <>
          <Table titles={['By', 'To', 'Test']}>
            {destinations.map(({ name, to }) => (
              <tr key={name}>
                <td data-label="By">{name}</td>
                <td data-label="To">{to}</td>
                <td data-label="Test">
                  <Action label="Send a test notice" run={test(name)} />
                </td>
              </tr>
            ))}
          </Table>
          <p class="count">
            Looked at every {length(watching.everyMs)}: {watching.failures} failed runs of a function, and
            more than completed, within {length(watching.windowMs)}; new dead letters; runs that wait for more
            than {length(watching.queueAgeMs)}; ticks that are missed.
          </p>
        </>
      )}
    </section>
  )
}

const WORDS = { 'alert.firing': '✖ firing', 'alert.resolved': '✔ over', 'alert.test': '◌ test' } as const
const CLASSES = { 'alert.firing': 'dead', 'alert.resolved': 'completed', 'alert.test': 'cancelled' } as const

function Recent({ messages }: { readonly messages: readonly Message[] }) {
  if (messages.length === 0) return <Empty>Nobody has been told of anything.</Empty>
  return (
    <Table titles={['Message', 'About', 'To', 'Outcome']}>
      {messages.map((message) => (
        <tr key={message.id}>
          <td data-label="Message" class="whole">
            <span class={`status ${CLASSES[message.type]}`}>{WORDS[message.type]}</span>
          </td>
          <td data-label="About">{message.alert.message}</td>
          <td data-label="To">{message.destination}</td>
          <td data-label="Outcome">
            <Outcome message={message} />
          </td>
        </tr>
      ))}
    </Table>
  )
}

function Outcome({ message: { state, attempts, error, at } }: { readonly message: Message }) {
  if (state === 'told')
    return (
      <span>
        ✔ <Time at={at} />
        {attempts > 1 && `, at attempt ${attempts}`}
      </span>
    )
  const tried = attempts === 0 ? 'is sent now' : `tried ${attempts === 1 ? 'once' : `${attempts} times`}`
  return (
    <span class={state === 'waiting' ? 'warn' : 'error'}>
      {state === 'waiting' ? `↻ ${tried}` : `✖ given up, ${tried}`}
      {error !== null && `: ${error}`}
    </span>
  )
}

interface TableProps {
  readonly titles: readonly string[]
  readonly children: ComponentChildren
}

function Table({ titles, children }: TableProps) {
  return (
    <table class="rows">
      <thead>
        <tr>
          {titles.map((title) => (
            <th key={title}>{title}</th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  )
}
