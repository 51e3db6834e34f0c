/** Of transaction ids: all below `xmin` have ended, none at or above `xmax` has begun. */
export interface Snapshot {
  readonly xmin: bigint
  readonly xmax: bigint
}

/**
 * From which id on the drainer has to look. Without it, a long transaction elsewhere, which keeps deleted rows from
 * being cleaned up, makes each look step over all of them.
 */
export interface LowWater {
  readonly id: number
  /** Everything that was found up to here is delivered and deleted. */
  drained(id: number): void
  seen(snapshot: Snapshot): void
  /** A look that began after the last `seen` left nothing that can be seen. */
  emptied(): void
  /** Looks at everything again. */
  reset(): void
}

/**
 * An id is drawn by a transaction that already has a transaction id. So once all transactions that were open after
 * `id` was found have ended, and a look has found nothing more, no lower id can appear.
 */
export function createLowWater(): LowWater {
  let low = 0
  let last = -1
  let mark: { readonly id: number; readonly xmax: bigint; ripe: boolean } | null = null
  return {
    get id() {
      return low
    },
    drained(id) {
      last = Math.max(last, id)
    },
    seen({ xmin, xmax }) {
      if (mark === null && last >= low) mark = { id: last + 1, xmax, ripe: false }
      else if (mark !== null && xmin >= mark.xmax) mark.ripe = true
    },
    emptied() {
      if (!mark?.ripe) return
      low = mark.id
      mark = null
    },
    reset() {
      low = 0
      last = -1
      mark = null
    },
  }
}
