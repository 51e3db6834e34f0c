import { signal } from '@preact/signals'
import { live } from './live.ts'
import { go } from './router.ts'
import { nextTheme } from './theme.ts'

export const helpIsOpen = signal(false)

/** Single keys, off while somebody types. `g` and a letter go to a page. */
export const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['?', 'this list'],
  ['g o', 'overview'],
  ['g r', 'runs'],
  ['g e', 'events'],
  ['g d', 'dead letters'],
  ['g a', 'alerts'],
  ['g f', 'functions'],
  ['g s', 'schedules'],
  ['g q', 'queues'],
  ['g w', 'workers'],
  ['g l', 'logs'],
  ['g u', 'usage and cost'],
  ['f or /', 'filter'],
  ['j k', 'next, previous row'],
  ['Enter', 'open the row'],
  ['s', 'send a test event'],
  ['.', 'pause renewing'],
  ['t', 'theme'],
  ['Esc', 'back'],
]

const PAGES: Readonly<Record<string, string>> = {
  ...{ o: '', r: 'runs', e: 'events', d: 'dead', f: 'functions', s: 'schedules' },
  ...{ q: 'queues', w: 'workers', l: 'logs', a: 'alerts', u: 'usage' },
}

let going = false

export function startKeys(): void {
  addEventListener('keydown', (event) => {
    const { target, key, ctrlKey, metaKey, altKey } = event
    if (ctrlKey || metaKey || altKey) return
    if (target instanceof HTMLElement && target.matches('input, textarea, select')) {
      if (key === 'Escape') target.blur()
      return
    }
    if (press(key)) event.preventDefault()
  })
}

/** Whether the key meant something. */
function press(key: string): boolean {
  if (going) {
    going = false
    const page = PAGES[key]
    if (page === undefined) return false
    go(page === '' ? [] : [page])
    return true
  }
  const does = ACTIONS[key]
  does?.()
  return does !== undefined
}

const ACTIONS: Readonly<Record<string, () => void>> = {
  g: () => (going = true),
  '?': () => (helpIsOpen.value = !helpIsOpen.value),
  '/': () => focus('#filter'),
  f: () => focus('#filter'),
  j: () => move(1),
  k: () => move(-1),
  s: () => go(['send']),
  '.': () => (live.value = !live.value),
  t: nextTheme,
  Escape: () => (helpIsOpen.value ? (helpIsOpen.value = false) : history.back()),
}

function focus(selector: string): void {
  document.querySelector<HTMLElement>(selector)?.focus()
}

function move(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>('a.row')]
  const at = rows.findIndex((row) => row === document.activeElement)
  rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.focus()
}
