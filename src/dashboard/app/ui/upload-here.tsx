import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { upload } from '../tus.ts'
import { bytes, percent } from '../text.ts'
import type { Func } from '../types.ts'
import { ErrorNote } from './parts.tsx'

/** An upload that has not come in full. */
export interface Unfinished {
  readonly id: string
  readonly key: string
  readonly filename: string | null
  readonly offset: number
  readonly length: number | null
  readonly resumable: boolean
  readonly touchedAt: string
}

interface UploadHereProps {
  readonly functions: readonly Func[]
  /** One of them is gone on with when it has the same key, name and length. */
  readonly unfinished: readonly Unfinished[]
  /** Something has been stored or begun. */
  readonly onChange: () => void
}

/** Takes a file from the person, and sends it in pieces; what was begun before goes on where it stopped. */
export function UploadHere({ functions, unfinished, onChange }: UploadHereProps) {
  const file = useSignal<File | null>(null)
  const key = useSignal('')
  const offset = useSignal<number | null>(null)
  const said = useSignal('')
  const failed = useSignal<Error | null>(null)
  const stop = useRef<AbortController | null>(null)
  useEffect(() => () => stop.current?.abort(), [])
  const patterns = patternsOf(functions)

  const choose = (chosen: File | null): void => {
    file.value = chosen
    if (chosen) key.value = keyFor(chosen.name, patterns)
  }
  const start = async (chosen: File): Promise<void> => {
    const known = unfinished.find(
      (one) =>
        one.resumable && one.key === key.value && one.filename === chosen.name && one.length === chosen.size,
    )
    stop.current = new AbortController()
    said.value = ''
    failed.value = null
    const onProgress = (now: number): void => void (offset.value = now)
    try {
      const { signal } = stop.current
      await upload({ key: key.value, file: chosen, resume: known?.id ?? null, onProgress, signal })
      said.value = `✔ ${key.value} is stored`
    } catch (error) {
      if (stop.current.signal.aborted) said.value = 'stopped: choose it again to go on'
      else failed.value = error as Error
    } finally {
      offset.value = null
      onChange()
    }
  }
  return (
    <section aria-label="Upload here">
      <div class="bar">
        <label>
          File <input type="file" onChange={(change) => choose(change.currentTarget.files?.[0] ?? null)} />
        </label>
        <label>
          Its key <input value={key.value} onInput={(change) => (key.value = change.currentTarget.value)} />
        </label>
        {offset.value === null ? (
          <button
            type="button"
            disabled={file.value === null || key.value === ''}
            onClick={() => void (file.value && start(file.value))}
          >
            Upload here
          </button>
        ) : (
          <button type="button" onClick={() => stop.current?.abort()}>
            Stop
          </button>
        )}
        {offset.value !== null && (
          <Share label="Sent" offset={offset.value} length={file.value?.size ?? null} />
        )}
        <span aria-live="polite">{said.value}</span>
      </div>
      {failed.value !== null && <ErrorNote error={failed.value} />}
      <p class="count">Functions take {patterns.length === 0 ? 'no files' : patterns.join(', ')}.</p>
    </section>
  )
}

interface ShareProps {
  readonly label: string
  readonly offset: number
  readonly length: number | null
}

/** How much of it has come. */
export function Share({ label, offset, length }: ShareProps) {
  if (length === null) return <span>{bytes(offset)} of an unknown length</span>
  const share = length === 0 ? 1 : offset / length
  return (
    <span class="share">
      <progress aria-label={label} max={1} value={share} /> {percent(share)}{' '}
      <small>
        {bytes(offset)} of {bytes(length)}
      </small>
    </span>
  )
}

function patternsOf(functions: readonly Func[]): string[] {
  return functions.flatMap(({ triggers }) =>
    triggers.flatMap(({ kind, pattern }) => (kind === 'upload' && pattern !== undefined ? [pattern] : [])),
  )
}

/** In the folder of the first pattern: what comes before its first place-holder. */
function keyFor(name: string, [pattern = '']: readonly string[]): string {
  const fixed = /^[^*:?{[]*/.exec(pattern)?.[0] ?? ''
  return fixed.slice(0, fixed.lastIndexOf('/') + 1) + name
}
