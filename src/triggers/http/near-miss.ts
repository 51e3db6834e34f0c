import { editDistance } from '../../lib/nearest.ts'
import type { Method } from './event.ts'

interface Named {
  readonly method: Method | 'ANY'
  readonly path: string
}

const MAX_PATH = 256
const MAX_EDITS = 2

/**
 * `POST /orders` for a request to `/order`, `/Orders` or `/orders/`: a route with as many segments that differs by
 * case, a slash at the end or up to two characters, at most a third of a segment. Null when there is none. Long
 * paths are not looked at.
 */
export function nearest(method: string, url: string, routes: readonly Named[]): string | null {
  const path = url.replace(/[?#].*$/s, '')
  if (path.length > MAX_PATH) return null
  const asked = segmentsOf(path)
  let best: Named | null = null
  let bestEdits = MAX_EDITS + 1
  for (const route of routes) {
    const away =
      distance(segmentsOf(route.path), asked) + (route.method === method || route.method === 'ANY' ? 0 : 0.5)
    if (away < bestEdits) [best, bestEdits] = [route, away]
  }
  return best && `${best.method} ${best.path}`
}

function segmentsOf(path: string): readonly string[] {
  return path
    .toLowerCase()
    .split('/')
    .filter((segment) => segment !== '')
}

function distance(pattern: readonly string[], asked: readonly string[]): number {
  if (pattern.length !== asked.length) return Infinity
  let sum = 0
  for (const [at, segment] of pattern.entries()) {
    if (segment.startsWith(':') || segment === '*') continue
    const changes = edits(segment, asked[at] ?? '')
    sum += changes
    if (sum > MAX_EDITS || changes > segment.length / 3) return Infinity
  }
  return sum
}

/** Infinity as soon as the lengths alone say that it is too much. */
function edits(a: string, b: string): number {
  return Math.abs(a.length - b.length) > MAX_EDITS ? Infinity : editDistance(a, b)
}
