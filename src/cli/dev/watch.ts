import { lstatSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { watch } from 'chokidar'

const SETTLE_MS = 50

export interface Watcher {
  close(): Promise<void>
}

export interface WatchOptions {
  /** Gets the files under `functions/` that have changed, once they have been quiet for 50 ms; never twice at once. */
  readonly onChange: (files: readonly string[]) => Promise<void>
  /** Some of them cannot be watched, for example for want of permission or of watches. The others are. */
  readonly onError: (error: Error) => void
}

export function watchFunctions(root: string, { onChange, onError }: WatchOptions): Watcher {
  const folder = join(root, 'functions')
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
  const watcher = watch(folder, {
    ignoreInitial: true,
    ignored: (path) =>
      path !== folder &&
      (/(^|[\\/])(node_modules|\.[^\\/]+)$|~$|\.sw[px]$/.test(relative(root, path)) || isLinkedFolder(path)),
  })
  watcher.on('error', (error) => onError(error as Error))
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

/** Not searched for functions either: they may lead round in circles. */
function isLinkedFolder(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink() && statSync(path).isDirectory()
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ELOOP'
  }
}
