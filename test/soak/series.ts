import type { Sample } from './sample.ts'

/** How one measured thing went over the run. */
export interface Series {
  readonly name: string
  readonly first: number
  readonly last: number
  readonly max: number
  /** Per hour, in percent of the median; null for fewer than ten minutes. */
  readonly slope: Slope | null
}

export interface Slope {
  readonly percent: number
  /** Nineteen times of twenty the true slope is at least this. */
  readonly atLeast: number
}

const WINDOW_MIN = 1
const SHORTEST_MIN = 10

/** @param warmMinutes what comes before counts neither as first nor for the slope: caches fill, code is compiled. */
export function toSeries(samples: readonly Sample[], warmMinutes: number): Series[] {
  const warm = samples.filter(({ minutes }) => minutes >= warmMinutes)
  const names = [...new Set(warm.flatMap(({ values }) => Object.keys(values)))]
  return names.map((name) => {
    const points = warm.flatMap(({ minutes, values }) => {
      const value = values[name]
      return value === undefined ? [] : [{ minutes, value }]
    })
    const floor = lowest(points)
    return {
      name,
      first: floor.at(0)?.value ?? 0,
      last: floor.at(-1)?.value ?? 0,
      max: Math.max(...points.map(({ value }) => value)),
      slope: slopeOf(floor),
    }
  })
}

interface Point {
  readonly minutes: number
  readonly value: number
}

/** The lowest of each minute: what is left of a heap after collection, of connections after a fault. */
function lowest(points: readonly Point[]): Point[] {
  const windows = new Map<number, Point>()
  for (const point of points) {
    const window = Math.floor(point.minutes / WINDOW_MIN)
    const known = windows.get(window)
    if (known === undefined || point.value < known.value) windows.set(window, point)
  }
  return [...windows.values()]
}

/** Theil–Sen: the median of the slopes of all pairs, which single outliers do not move; its bound by Kendall's variance. */
export function slopeOf(points: readonly Point[]): Slope | null {
  const [from, to] = [points.at(0)?.minutes ?? 0, points.at(-1)?.minutes ?? 0]
  if (to - from < SHORTEST_MIN) return null
  const slopes = points
    .flatMap((a, i) => points.slice(i + 1).map((b) => (b.value - a.value) / (b.minutes - a.minutes)))
    .toSorted((a, b) => a - b)
  const n = points.length
  const deviation = Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18)
  const rank = Math.max(0, Math.floor((slopes.length - 1.645 * deviation) / 2))
  const level = median(points.map(({ value }) => value))
  const percent = (perMinute: number): number => (level === 0 ? 0 : (100 * 60 * perMinute) / level)
  return { percent: percent(median(slopes)), atLeast: percent(slopes[rank] ?? 0) }
}

export function median(of: readonly number[]): number {
  const sorted = of.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  if (sorted.length % 2 === 1) return sorted[middle] ?? 0
  return ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}
