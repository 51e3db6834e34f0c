import { get, post } from '../api.ts'
import { useLoaded } from '../live.ts'
import { link } from '../router.ts'
import { number } from '../text.ts'
import type { ErrorGroup } from '../types.ts'
import { Action, Answer, Code, Empty, Page, Time } from '../ui/parts.tsx'

export function DeadLetters() {
  const groups = useLoaded(() => get<{ readonly groups: readonly ErrorGroup[] }>('/dead/groups'))
  const replay = (functionId: string | null) => async (): Promise<string> => {
    const { replayed, failed } = await post<{ replayed: string[]; failed: unknown[] }>('/dead/replay', {
      limit: 5_000,
      ...(functionId !== null && { function: functionId }),
    })
    groups.again()
    return `${replayed.length} replayed${failed.length > 0 ? `, ${failed.length} refused` : ''}`
  }
  const total = (groups.value.value?.groups ?? []).reduce((sum, { count }) => sum + count, 0)
  return (
    <Page
      title="Dead letters"
      count={total}
      actions={
        <Action label="Replay all" sure={`Replay ${total} runs?`} disabled={total === 0} run={replay(null)} />
      }
    >
      <Answer of={groups}>
        {({ groups: all }) =>
          all.length === 0 ? <Empty>✔ No run has given up.</Empty> : <Groups groups={all} replay={replay} />
        }
      </Answer>
    </Page>
  )
}

export function Errors() {
  const groups = useLoaded(() => get<{ readonly groups: readonly ErrorGroup[] }>('/errors', { since: '24h' }))
  return (
    <Page title="Errors of 24 h">
      <Answer of={groups}>
        {({ groups: all }) =>
          all.length === 0 ? <Empty>✔ No attempt has failed.</Empty> : <Groups groups={all} />
        }
      </Answer>
    </Page>
  )
}

interface GroupsProps {
  readonly groups: readonly ErrorGroup[]
  readonly replay?: (functionId: string) => () => Promise<string>
}

function Groups({ groups, replay }: GroupsProps) {
  return (
    <table class="rows">
      <thead>
        <tr>
          <th>Times</th>
          <th>Function</th>
          <th>Error</th>
          <th>First</th>
          <th>Last</th>
          <th>Newest</th>
          {replay && <th>Replay</th>}
        </tr>
      </thead>
      <tbody>
        {groups.map(({ functionId, fingerprint, code, message, count, firstAt, lastAt, sample, isNew }) => (
          <tr key={`${functionId} ${fingerprint ?? ''} ${sample}`}>
            <td data-label="Times">{number(count)}</td>
            <td data-label="Function">
              <a href={link(['functions', functionId])}>{functionId}</a>
            </td>
            <td data-label="Error" class="cut" title={message}>
              {isNew === true && <mark>new</mark>} <Code code={code} /> {message}
            </td>
            <td data-label="First">
              <Time at={firstAt} />
            </td>
            <td data-label="Last">
              <Time at={lastAt} />
            </td>
            <td data-label="Newest">
              <a href={link(['runs', sample])}>look</a>
            </td>
            {replay && (
              <td data-label="Replay">
                <Action label="Replay the function’s" run={replay(functionId)} />
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
