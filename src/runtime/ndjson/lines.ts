/**
 * Takes text as it comes and gives whole lines, without empty ones. `onTooLong` is told of a line over `maxChars`; what
 * comes after it is not read.
 */
export function createSplitter(
  onLine: (line: string) => void,
  onTooLong: () => void,
  maxChars: number,
): (text: string) => void {
  let parts: string[] = []
  let chars = 0
  let broken = false
  return (text) => {
    if (broken) return
    const lines = text.split('\n')
    for (const [place, part] of lines.entries()) {
      parts.push(part)
      chars += part.length
      if (chars > maxChars) {
        broken = true
        parts = []
        return onTooLong()
      }
      if (place === lines.length - 1) return
      const line = parts.join('').trim()
      parts = []
      chars = 0
      if (line !== '') onLine(line)
    }
  }
}
