const MAX_LENGTH = 100

/** The name that was probably meant: the one with the fewest edits, at most a third of its letters. Null if none is. */
export function nearest(given: string, names: readonly string[]): string | null {
  if (given.length > MAX_LENGTH) return null
  const wanted = given.toLowerCase()
  let best: string | null = null
  let fewest = Infinity
  for (const name of names) {
    const count = editDistance(wanted, name.toLowerCase())
    if (count < fewest && count <= Math.max(1, Math.floor(name.length / 3))) [best, fewest] = [name, count]
  }
  return best
}

/** Letters to insert, delete or replace (Levenshtein). */
export function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, n) => n)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
