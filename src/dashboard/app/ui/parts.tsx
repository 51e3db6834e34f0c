import type { ComponentChildren } from 'preact'
import { useSignal } from '@preact/signals'
import { key, Refusal } from '../api.ts'
import type { Loaded } from '../live.ts'
import { link } from '../router.ts'
import { ago, pretty, short } from '../text.ts'

/** An id that is copied by a click. */
export function Id({ id, whole = false }: { readonly id: string; readonly whole?: boolean }) {
  const copied = useSignal(false)
  const copy = (): void => {
    void navigator.clipboard?.writeText(id)
    copied.value = true
    setTimeout(() => (copied.value = false), 1_200)
  }
  return (
    <button type="button" class="id" title={`Copy ${id}`} onClick={copy}>
      {copied.value ? 'copied' : whole ? id : short(id)}
    </button>
  )
}

/** Relative, with the whole of it on hover. */
export function Time({ at }: { readonly at: string | null }) {
  if (at === null) return <span>–</span>
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {ago(at)}
    </time>
  )
}

export function Json({ value, label }: { readonly value: unknown; readonly label: string }) {
  return (
    <pre class="json" tabIndex={0} aria-label={label}>
      {pretty(value)}
    </pre>
  )
}

export function ErrorNote({ error }: { readonly error: Error }) {
  return (
    <p class="error" role="alert">
      {error instanceof Refusal && <Code code={error.code} />} {error.message}{' '}
      {error instanceof Refusal && <small>{error.hint}</small>}
    </p>
  )
}

/** The code of an error; one of Tappet's own leads to its explanation. */
export function Code({ code }: { readonly code: string }) {
  const text = <code>{code}</code>
  return code.startsWith('TPT_') && key.value !== null ? <a href={link(['explain', code])}>{text}</a> : text
}

export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <p class="empty">{children}</p>
}

interface AnswerProps<Value> {
  readonly of: Loaded<Value>
  readonly children: (value: Value) => ComponentChildren
}

/** What was loaded, or why it was not; what was there before stays while it is asked again. */
export function Answer<Value>({ of: { value, error }, children }: AnswerProps<Value>) {
  return (
    <>
      {error.value !== null && <ErrorNote error={error.value} />}
      {value.value !== null && children(value.value)}
      {value.value === null && error.value === null && (
        <p class="empty" aria-busy="true">
          Loading …
        </p>
      )}
    </>
  )
}

interface ActionProps {
  readonly label: string
  /** What it asks before it does it; none: it does it at once. */
  readonly sure?: string
  readonly kind?: 'danger' | 'plain'
  readonly disabled?: boolean
  readonly run: () => Promise<string>
}

/** A button that does something, and says what came of it. */
export function Action({ label, sure, kind = 'plain', disabled = false, run }: ActionProps) {
  const busy = useSignal(false)
  const said = useSignal<string | null>(null)
  const failed = useSignal<Error | null>(null)
  const click = async (): Promise<void> => {
    if (sure !== undefined && !confirm(sure)) return
    busy.value = true
    said.value = failed.value = null
    try {
      said.value = await run()
    } catch (error) {
      failed.value = error as Error
    } finally {
      busy.value = false
    }
  }
  return (
    <span class="action">
      <button type="button" class={kind} disabled={busy.value || disabled} onClick={() => void click()}>
        {busy.value ? '…' : label}
      </button>
      <span aria-live="polite">{said.value}</span>
      {failed.value !== null && <ErrorNote error={failed.value} />}
    </span>
  )
}

export function Page({ title, count, actions, children }: PageProps) {
  document.title = `${count === undefined ? '' : `(${count}) `}${title} · Tappet`
  return (
    <main id="main" tabIndex={-1}>
      <header class="page">
        <h1>{title}</h1>
        <div>{actions}</div>
      </header>
      {children}
    </main>
  )
}

interface PageProps {
  readonly title: string
  readonly count?: number
  readonly actions?: ComponentChildren
  readonly children: ComponentChildren
}

interface TileProps {
  readonly name: string
  readonly value: string
  readonly children: ComponentChildren
}

/** A number with its name, and what it means. */
export function Tile({ name, value, children }: TileProps) {
  return (
    <div class="tile">
      <h2>{name}</h2>
      <strong>{value}</strong>
      <div class="more">{children}</div>
    </div>
  )
}
