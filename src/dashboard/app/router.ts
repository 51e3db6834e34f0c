import { computed, signal } from '@preact/signals'

/** Where the page is: `#/runs?q=status:failed`. In the fragment, so that any proxy's path may be before ours. */
const fragment = signal(location.hash)
addEventListener('hashchange', () => (fragment.value = location.hash))

export interface Place {
  /** `['runs', 'run_01J…']` */
  readonly path: readonly string[]
  readonly query: URLSearchParams
}

export const place = computed((): Place => {
  const [path = '', query = ''] = fragment.value.replace(/^#\/?/, '').split('?', 2)
  return { path: path.split('/').filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) }
})

export function link(path: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(query).toString()
  return `#/${path.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`
}

export function go(path: readonly string[], query: Readonly<Record<string, string>> = {}): void {
  location.hash = link(path, query)
}
