import { useSignal } from '@preact/signals'
import { get, post, signOut } from '../api.ts'
import { useLoaded } from '../live.ts'
import { Action, Answer, Empty, Id, Page, Time } from '../ui/parts.tsx'

interface Key {
  readonly id: string
  readonly name: string
  readonly scopes: readonly string[]
  readonly state: string
  readonly createdAt: string
  readonly createdBy: string
  readonly lastUsedAt: string | null
}

interface Entry {
  readonly id: string
  readonly at: string
  readonly keyName: string
  readonly action: string
  readonly target: string
  readonly status: number
}

const SCOPES = ['read', 'operate', 'ingest', 'admin']

export function Settings() {
  return (
    <Page
      title="Settings"
      actions={
        <button type="button" onClick={signOut}>
          Sign out
        </button>
      }
    >
      <Keys />
      <Audit />
    </Page>
  )
}

function Keys() {
  const keys = useLoaded(() => get<{ readonly keys: readonly Key[] }>('/keys'), 5_000)
  const name = useSignal('')
  const scope = useSignal('read')
  const fresh = useSignal<string | null>(null)
  const create = async (): Promise<string> => {
    const { secret } = await post<{ readonly secret: string }>('/keys', {
      name: name.value,
      scopes: [scope.value],
    })
    fresh.value = secret
    name.value = ''
    keys.again()
    return 'made: it is shown this once'
  }
  const revoke = (id: string) => async (): Promise<string> => {
    await post(`/keys/${id}/revoke`)
    keys.again()
    return 'revoked'
  }
  return (
    <section>
      <h2>Keys</h2>
      <div class="bar">
        <label>
          Name <input value={name.value} onInput={(change) => (name.value = change.currentTarget.value)} />
        </label>
        <label>
          Scope{' '}
          <select value={scope.value} onChange={(change) => (scope.value = change.currentTarget.value)}>
            {SCOPES.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <Action label="Make a key" disabled={name.value === ''} run={create} />
        {fresh.value !== null && <Id id={fresh.value} whole />}
      </div>
      <Answer of={keys}>
        {({ keys: all }) =>
          all.length === 0 ? (
            <Empty>Only the key of the first start is there.</Empty>
          ) : (
            <KeyTable keys={all} revoke={revoke} />
          )
        }
      </Answer>
    </section>
  )
}

interface KeyTableProps {
  readonly keys: readonly Key[]
  readonly revoke: (id: string) => () => Promise<string>
}

function KeyTable({ keys, revoke }: KeyTableProps) {
  return (
    <table class="rows">
      <thead>
        <tr>
          <th>Name</th>
          <th>Scopes</th>
          <th>State</th>
          <th>Made</th>
          <th>Last used</th>
          <th>Revoke</th>
        </tr>
      </thead>
      <tbody>
        {keys.map(({ id, name: called, scopes, state, createdAt, createdBy, lastUsedAt }) => (
          <tr key={id}>
            <td data-label="Name">{called}</td>
            <td data-label="Scopes">{scopes.join(', ')}</td>
            <td data-label="State">{state}</td>
            <td data-label="Made">
              <Time at={createdAt} /> by {createdBy}
            </td>
            <td data-label="Last used">
              <Time at={lastUsedAt} />
            </td>
            <td data-label="Revoke">
              {state === 'live' && (
                <Action label="Revoke" kind="danger" sure={`Revoke ${called}?`} run={revoke(id)} />
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Audit() {
  const audit = useLoaded(() => get<{ readonly entries: readonly Entry[] }>('/audit', { limit: 50 }), 5_000)
  return (
    <section>
      <h2>Who changed what</h2>
      <Answer of={audit}>
        {({ entries }) => (
          <ol class="log">
            {entries.map(({ id, at, keyName, action, target, status }) => (
              <li key={id}>
                <Time at={at} /> <b>{keyName}</b> {action} {target} → {status}
              </li>
            ))}
          </ol>
        )}
      </Answer>
    </section>
  )
}
