import { signal, useSignal, useSignalEffect, type Signal } from '@preact/signals'
import type { Refusal } from './api.ts'

/** Whether pages renew themselves. */
export const live = signal(true)

const EVERY_MS = 2_000

export interface Loaded<Answer> {
  readonly value: Signal<Answer | null>
  readonly error: Signal<Refusal | Error | null>
  /** Asks again now. */
  again(): void
}

/**
 * What `load` answers, asked again every two seconds while the tab is seen and `live` is on. `load` reads signals: when one
 * of them changes, it is asked at once.
 */
export function useLoaded<Answer>(load: () => Promise<Answer>, everyMs = EVERY_MS): Loaded<Answer> {
  const value = useSignal<Answer | null>(null)
  const error = useSignal<Refusal | Error | null>(null)
  const turn = useSignal(0)
  useSignalEffect(() => {
    void turn.value
    const renewing = live.value
    let over = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const run = (asked: Promise<Answer>): void => {
      asked
        .then(
          (answer) => {
            if (over) return
            value.value = answer
            error.value = null
          },
          (reason: unknown) => {
            if (!over) error.value = reason as Error
          },
        )
        .finally(() => {
          if (!over && renewing) timer = setTimeout(renew, everyMs)
        })
    }
    const renew = (): void => {
      if (document.hidden) timer = setTimeout(renew, everyMs)
      else run(load())
    }
    run(load())
    return () => {
      over = true
      clearTimeout(timer)
    }
  })
  return { value, error, again: () => turn.value++ }
}
