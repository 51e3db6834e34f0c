/** Tells calls that overlap in this process apart by what each can be said to have used. */
export interface CpuShare {
  begin(): number
  /** CPU time since `begin` gave `began`, in ms. */
  end(began: number): number
}

/**
 * The process's CPU time is divided evenly among the calls that were in it at the time. A call that was alone has all of its
 * own; of several, the sum is right, and each has its share.
 */
export function createCpuShare(usedUs = processUs): CpuShare {
  let open = 0
  let lastUs = 0
  /** What a call that had been there from the start would have used. */
  let perCallUs = 0
  const settle = (): number => {
    const now = usedUs()
    if (open > 0) perCallUs += (now - lastUs) / open
    lastUs = now
    return perCallUs
  }
  return {
    begin() {
      const began = settle()
      open++
      return began
    },
    end(began) {
      const ended = settle()
      open--
      return (ended - began) / 1_000
    },
  }
}

function processUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
