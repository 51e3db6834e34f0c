import { useSignal } from '@preact/signals'
import { get, send } from '../api.ts'
import { useLoaded } from '../live.ts'
import { go } from '../router.ts'
import { pretty } from '../text.ts'
import type { Func } from '../types.ts'
import { Action, Answer, Page } from '../ui/parts.tsx'
import { type JsonSchema, SchemaForm } from '../ui/schema-form.tsx'

/** A message to a queue, or a file, as a source would bring it. */
export function Send() {
  const functions = useLoaded(() => get<{ readonly functions: readonly Func[] }>('/functions'), 10_000)
  return (
    <Page title="Send a test event">
      <Answer of={functions}>
        {({ functions: all }) => (
          <div class="columns">
            <Message functions={all} />
            <File functions={all} />
          </div>
        )}
      </Answer>
    </Page>
  )
}

interface Sample {
  readonly queue: string
  readonly data: unknown
  readonly schema: JsonSchema | null
}

function queuesOf(functions: readonly Func[]): Sample[] {
  return functions.flatMap(({ triggers }) =>
    triggers
      .filter(({ kind }) => kind === 'queue')
      .map((trigger) => ({
        queue: (trigger as { readonly queue?: string }).queue ?? trigger.label,
        data: trigger.samples?.['data'] ?? { hello: 'world' },
        schema: trigger.jsonSchemas?.['data'] ?? null,
      })),
  )
}

function Message({ functions }: { readonly functions: readonly Func[] }) {
  const samples = queuesOf(functions)
  const queue = useSignal(samples[0]?.queue ?? 'demo')
  const data = useSignal(pretty(samples[0]?.data ?? { hello: 'world' }))
  const key = useSignal('')
  const schema = samples.find((one) => one.queue === queue.value)?.schema
  const choose = (name: string): void => {
    queue.value = name
    const sample = samples.find((one) => one.queue === name)
    if (sample) data.value = pretty(sample.data)
  }
  const run = async (): Promise<string> => {
    const query = key.value === '' ? '' : `?key=${encodeURIComponent(key.value)}`
    const body = JSON.stringify(JSON.parse(data.value))
    const path = `queues/${encodeURIComponent(queue.value)}${query}`
    const { event, duplicate } = (await send('POST', path, body, 'application/json')) as {
      event: string
      duplicate: boolean
    }
    if (duplicate) return 'this key had been sent before'
    go(['events', event])
    return 'sent'
  }
  return (
    <section>
      <h2>A message</h2>
      <label>
        Queue
        <input list="queues" value={queue.value} onInput={(change) => choose(change.currentTarget.value)} />
      </label>
      <datalist id="queues">
        {samples.map(({ queue: name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {schema && <SchemaForm schema={schema} text={data} />}
      <label>
        Data, as JSON
        <textarea
          rows={10}
          value={data.value}
          onInput={(change) => (data.value = change.currentTarget.value)}
        />
      </label>
      <label>
        Key, to make a repeat a duplicate
        <input value={key.value} onInput={(change) => (key.value = change.currentTarget.value)} />
      </label>
      <Action label="Send" run={run} />
    </section>
  )
}

function File({ functions }: { readonly functions: readonly Func[] }) {
  const patterns = functions.flatMap(({ triggers }) =>
    triggers.filter(({ kind }) => kind === 'upload').map(({ label }) => label),
  )
  const path = useSignal('')
  const file = useSignal<globalThis.File | null>(null)
  const run = async (): Promise<string> => {
    if (file.value === null) throw new Error('Choose a file first.')
    const target = path.value.split('/').map(encodeURIComponent).join('/')
    const type = file.value.type || 'application/octet-stream'
    const { event } = (await send('PUT', `uploads/${target}`, file.value, type)) as { event: string | null }
    if (event !== null) go(['events', event])
    return 'stored'
  }
  return (
    <section>
      <h2>A file</h2>
      <p>Functions want: {patterns.length === 0 ? 'none' : patterns.join(', ')}</p>
      <label>
        File
        <input
          type="file"
          onChange={(change) => {
            file.value = change.currentTarget.files?.[0] ?? null
            if (path.value === '' && file.value) path.value = file.value.name
          }}
        />
      </label>
      <label>
        Its key
        <input value={path.value} onInput={(change) => (path.value = change.currentTarget.value)} />
      </label>
      <Action label="Upload" run={run} />
    </section>
  )
}
