import { useSignal } from '@preact/signals'
import { get, post } from '../api.ts'
import { useLoaded } from '../live.ts'
import { go, link } from '../router.ts'
import { length, number, percent, pretty } from '../text.ts'
import type { Func, FunctionStats, Run } from '../types.ts'
import { Action, Answer, Code, Empty, Page } from '../ui/parts.tsx'
import { SchemaForm } from '../ui/schema-form.tsx'
import { RunsTable } from '../ui/runs-table.tsx'

interface FunctionsAnswer {
  readonly functions: readonly Func[]
  readonly problems: readonly { readonly file: string; readonly code: string; readonly message: string }[]
}

interface StatsAnswer {
  readonly stats: readonly FunctionStats[]
}

export function Functions() {
  const listed = useLoaded(() => get<FunctionsAnswer>('/functions'), 5_000)
  const stats = useLoaded(() => get<StatsAnswer>('/function-stats'), 5_000)
  const of = (id: string): FunctionStats | undefined =>
    stats.value.value?.stats.find(({ functionId }) => functionId === id)
  return (
    <Page title="Functions">
      <Answer of={listed}>
        {({ functions, problems }) => (
          <>
            {problems.map(({ file, code, message }) => (
              <p key={file} class="error">
                <Code code={code} /> {file}: {message}
              </p>
            ))}
            {functions.length === 0 && <Empty>There is no function in functions/ yet.</Empty>}
            <table class="rows">
              <thead>
                <tr>
                  <th>Function</th>
                  <th>On</th>
                  <th>Succeeded, 24 h</th>
                  <th>p50</th>
                  <th>p95</th>
                  <th>Last error</th>
                  <th>Version</th>
                </tr>
              </thead>
              <tbody>
                {functions.map((fn) => (
                  <FunctionRow key={fn.id} fn={fn} stats={of(fn.id)} />
                ))}
              </tbody>
            </table>
          </>
        )}
      </Answer>
    </Page>
  )
}

function FunctionRow({ fn, stats }: { readonly fn: Func; readonly stats: FunctionStats | undefined }) {
  const ms = (value: number | null | undefined): string => (value == null ? '–' : length(value))
  return (
    <tr>
      <td data-label="Function">
        <a class="row" href={link(['functions', fn.id])}>
          {fn.id}
        </a>
      </td>
      <td data-label="On">
        {fn.triggers.map(({ label, kind }) => (
          <div key={label}>
            <small>{kind}</small> <code>{label}</code>
          </div>
        ))}
      </td>
      <td data-label="Succeeded, 24 h">
        {percent(stats?.success ?? null)} {stats && `of ${number(stats.completed + stats.dead)}`}
      </td>
      <td data-label="p50">{ms(stats?.p50Ms)}</td>
      <td data-label="p95">{ms(stats?.p95Ms)}</td>
      <td data-label="Last error" class="cut" title={stats?.lastError ?? ''}>
        {stats?.lastError ?? ''}
      </td>
      <td data-label="Version">
        <code>{fn.version}</code>
      </td>
    </tr>
  )
}

export function FunctionPage({ id }: { readonly id: string }) {
  const listed = useLoaded(() => get<FunctionsAnswer>('/functions'), 5_000)
  const runs = useLoaded(() => get<{ readonly runs: readonly Run[] }>('/runs', { function: id, limit: 20 }))
  const set = (verb: 'pause' | 'resume') => async (): Promise<string> => {
    await post(`/functions/${id}/${verb}`)
    return `${verb}d`
  }
  return (
    <Page
      title={id}
      actions={
        <>
          <Action label="Pause" run={set('pause')} />
          <Action label="Resume" run={set('resume')} />
        </>
      }
    >
      <Answer of={listed}>
        {({ functions }) => {
          const fn = functions.find((one) => one.id === id)
          return fn === undefined ? <Empty>It is not served any more.</Empty> : <Facts fn={fn} />
        }}
      </Answer>
      <h2>Runs</h2>
      <Answer of={runs}>
        {({ runs: all }) =>
          all.length === 0 ? <Empty>It has not run yet.</Empty> : <RunsTable runs={all} />
        }
      </Answer>
      <a href={link(['runs'], { q: `function:${id}` })}>all of them</a>
    </Page>
  )
}

function Facts({ fn }: { readonly fn: Func }) {
  const { file, version, triggers, retry, timeoutMs, concurrency, env } = fn
  return (
    <>
      <dl class="facts">
        <dt>File</dt>
        <dd>
          <code>{file}</code> <small>{version}</small>
        </dd>
        <dt>On</dt>
        <dd>
          {triggers.map(({ label }) => (
            <code key={label}>{label} </code>
          ))}
        </dd>
        <dt>Retries</dt>
        <dd>
          {retry.attempts} attempts, {length(retry.delayMs)} × {retry.factor}
        </dd>
        <dt>Timeout</dt>
        <dd>{length(timeoutMs)}</dd>
        <dt>At once</dt>
        <dd>{concurrency ?? 'no limit'}</dd>
        <dt>Environment</dt>
        <dd>{env.length === 0 ? 'nothing' : env.join(', ')}</dd>
      </dl>
      <Invoke fn={fn} />
    </>
  )
}

/** With data that its schema takes, where one could be made. */
function Invoke({ fn }: { readonly fn: Func }) {
  const sample = fn.triggers.map(({ samples }) => samples?.['data']).find((data) => data !== undefined)
  const schema = fn.triggers.at(0)?.jsonSchemas?.['data']
  const text = useSignal(pretty(sample ?? {}))
  const invoke = async (): Promise<string> => {
    const data: unknown = JSON.parse(text.value)
    const { run } = await post<{ readonly run: string }>(`/functions/${fn.id}/invoke`, { data })
    go(['runs', run])
    return 'sent'
  }
  return (
    <details>
      <summary>Invoke it</summary>
      {schema && <SchemaForm schema={schema} text={text} />}
      <label>
        Data
        <textarea
          rows={8}
          value={text.value}
          onInput={(change) => (text.value = change.currentTarget.value)}
        />
      </label>
      <Action label="Invoke" run={invoke} />
    </details>
  )
}
