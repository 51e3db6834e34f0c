import { join, relative } from 'node:path'
import { watch } from 'chokidar'

const SETTLE_MS = 50

export interface Watcher {
  close(): Promise<void>
}

/** Calls back with the files under `functions/` that have changed, once they have been quiet for 50 ms; never twice at once. */
export function watchFunctions(root: string, onChange: (files: readonly string[]) => Promise<void>): Watcher {
  const changed = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let busy: Promise<void> | null = null

  const flush = (): void => {
    if (busy) return
    const files = [...changed]
    changed.clear()
    busy = onChange(files).finally(() => {
      busy = null
      if (changed.size > 0) schedule()
    })
  }
  const schedule = (): void => {
    clearTimeout(timer)
    timer = setTimeout(flush, SETTLE_MS)
  }
  const watcher = watch(join(root, 'functions'), {
    ignoreInitial: true,
    ignored: (path) => /(^|[\\/])(node_modules|\.[^\\/]+)$|~$|\.sw[px]$/.test(relative(root, path)),
  })
  watcher.on('all', (event, path) => {
    if (event === 'addDir' || event === 'unlinkDir') return
    changed.add(relative(root, path).replaceAll('\\', '/'))
    schedule()
  })
  return {
    async close() {
      clearTimeout(timer)
      await watcher.close()
      await busy
    },
  }
}
