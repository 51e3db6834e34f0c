import type { Ending } from './ending.ts'

/** The calls that are in a process, and what each waits for. */
export interface OpenCalls {
  open(): { readonly id: number; readonly ended: Promise<Ending> }
  settle(id: number, ending: Ending): void
  settleAll(ending: Ending): void
  size(): number
}

/** `onChange` is told whether there are any. */
export function createOpenCalls(onChange: (some: boolean) => void): OpenCalls {
  const calls = new Map<number, (ending: Ending) => void>()
  let lastId = 0
  const settle = (id: number, ending: Ending): void => {
    const done = calls.get(id)
    calls.delete(id)
    if (calls.size === 0) onChange(false)
    done?.(ending)
  }
  return {
    settle,
    open() {
      const id = (lastId = (lastId + 1) >>> 0)
      const ended = new Promise<Ending>((resolve) => calls.set(id, resolve))
      if (calls.size === 1) onChange(true)
      return { id, ended }
    },
    settleAll(ending) {
      for (const id of [...calls.keys()]) settle(id, ending)
    },
    size: () => calls.size,
  }
}
