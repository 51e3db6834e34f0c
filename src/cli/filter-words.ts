import type { Command } from 'commander'

/** `[filter...]`: the words of a filter, as in the dashboard and the API. */
export function takesFilter(command: Command): Command {
  return command.argument('[filter...]', 'like status:failed since:24h \'error~"timeout"\'; -- before -word')
}

/** As one text; undefined for none. */
export function filterText(words: readonly string[]): string | undefined {
  return words.length === 0 ? undefined : words.join(' ')
}
