import { effect, signal } from '@preact/signals'

const THEMES = ['system', 'light', 'dark'] as const
type Theme = (typeof THEMES)[number]

const kept = localStorage.getItem('tappet.theme')
export const theme = signal<Theme>(THEMES.find((one) => one === kept) ?? 'system')

export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'system'
}

export function applyTheme(): void {
  effect(() => {
    localStorage.setItem('tappet.theme', theme.value)
    document.documentElement.dataset['theme'] = theme.value
  })
}
