const DAY_MS = 86_400_000

/** The clock on the wall of a time zone. Wall times are ms since 1970 as if the zone were UTC. */
export interface WallClock {
  wallOf(instant: Date): number
  /** The first instant after the gap that the wall time is in; null when the clock does show it. */
  endOfGap(wall: number): Date | null
}

export function createWallClock(timezone: string): WallClock {
  const format = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone: timezone, calendar: 'gregory', numberingSystem: 'latn', hourCycle: 'h23' },
    ...{ year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
  })
  const wallAt = (ms: number): number => {
    const [month = 1, day = 1, year = 1970, hour, minute, second] =
      format.format(ms).match(/\d+/g)?.map(Number) ?? []
    return Date.UTC(year, month - 1, day, hour, minute, second)
  }
  const aheadAt = (ms: number): number => wallAt(ms) - Math.floor(ms / 1_000) * 1_000
  return {
    wallOf: (instant) => wallAt(instant.getTime()),
    endOfGap(wall) {
      const before = aheadAt(wall - DAY_MS)
      const after = aheadAt(wall + DAY_MS)
      if (after <= before || wallAt(wall - before) === wall || wallAt(wall - after) === wall) return null
      // The clock was put forward between these two; the later one has been.
      let low = wall - after
      let high = wall - before
      while (high - low > 1_000) {
        const middle = Math.floor((low + high) / 2_000) * 1_000
        if (aheadAt(middle) === after) high = middle
        else low = middle
      }
      return new Date(high)
    },
  }
}
