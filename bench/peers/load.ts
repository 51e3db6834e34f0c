/**
 * A package of this folder's own `node_modules`. Only this file stands here, so that none of ours can find the versions
 * of `pg` or `ioredis` that the peers bring.
 */
export async function loadPeer<T>(name: string): Promise<T> {
  return (await import(name)) as T
}

/** The path of a package's file, for programs that are started. */
export function peerFile(path: string): string {
  return `${import.meta.dirname}/node_modules/${path}`
}
