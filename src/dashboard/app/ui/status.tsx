import type { State } from '../types.ts'

/** Icon, word and colour: none of them alone. */
const ICONS: Readonly<Record<State, string>> = {
  accepted: '◌',
  queued: '◔',
  running: '◐',
  completed: '✔',
  retrying: '↻',
  dead: '✖',
  cancelled: '⊘',
}

export function Status({ state, held = false }: { readonly state: State; readonly held?: boolean }) {
  return (
    <span class={`status ${state}`}>
      <span aria-hidden="true">{ICONS[state]}</span> {held ? 'held' : state}
    </span>
  )
}
