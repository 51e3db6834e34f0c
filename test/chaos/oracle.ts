import { open } from 'node:fs/promises'
import type { Told } from './told.ts'

/** Follows the file that functions write, from where it was left: it may grow to a hundred megabytes. */
export interface Oracle {
  /** Reads what has been written since. */
  read(): Promise<void>
  /** Every 250 ms, until `stop`. */
  follow(): void
  stop(): Promise<void>
}

export function createOracle(file: string, told: Told): Oracle {
  let offset = 0
  let rest = ''
  let timer: NodeJS.Timeout | undefined
  let reading: Promise<void> = Promise.resolve()

  const readOn = async (): Promise<void> => {
    const handle = await open(file, 'r')
    const buffer = Buffer.alloc(1 << 20)
    try {
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset)
        if (bytesRead === 0) return
        offset += bytesRead
        const lines = (rest + buffer.toString('latin1', 0, bytesRead)).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          const [kind = '', n = '', runId = ''] = line.split(' ', 3)
          told.see(kind, Number(n), runId)
        }
      }
    } finally {
      await handle.close()
    }
  }
  const read = (): Promise<void> => (reading = reading.then(readOn))
  return {
    read,
    follow() {
      timer = setInterval(() => void read(), 250)
    },
    async stop() {
      clearInterval(timer)
      await reading
    },
  }
}
