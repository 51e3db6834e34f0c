/** A thread that looks places of a bundle up in its source map: reading a large map takes too long for the broker's loop. */
import { readFileSync } from 'node:fs'
import { type SourceMapPayload, SourceMap } from 'node:module'
import { basename, dirname, isAbsolute, relative, resolve } from 'node:path'
import { parentPort } from 'node:worker_threads'

export interface StackQuestion {
  readonly id: number
  readonly root: string
  readonly bundle: string
  readonly texts: readonly string[]
}

export interface StackAnswer {
  readonly id: number
  readonly texts: readonly string[]
}

const MAX_MAPS = 16
const maps = new Map<string, SourceMap>()

parentPort?.on('message', (question: StackQuestion) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage({ id: question.id, texts: answer(question) } satisfies StackAnswer)
})

function answer({ root, bundle, texts }: StackQuestion): readonly string[] {
  try {
    const map = mapOf(bundle)
    return texts.map((text) => translate(text, map, root, bundle))
  } catch {
    return texts
  }
}

function mapOf(bundle: string): SourceMap {
  const known = maps.get(bundle)
  if (known) return known
  const map = new SourceMap(JSON.parse(readFileSync(`${bundle}.map`, 'utf8')) as SourceMapPayload)
  const [oldest] = maps.keys()
  if (oldest !== undefined && maps.size >= MAX_MAPS) maps.delete(oldest)
  maps.set(bundle, map)
  return map
}

/** Places as the author knows them: from the project's folder on. */
function translate(text: string, map: SourceMap, root: string, bundle: string): string {
  const place = new RegExp(`[^\\s()"']*${escape(basename(bundle))}:(\\d+):(\\d+)`, 'g')
  return text.replaceAll(place, (whole, line: string, column: string) => {
    const found = map.findEntry(Number(line) - 1, Number(column) - 1)
    if (!('originalSource' in found) || found.originalSource === undefined) return whole
    const path = resolve(dirname(bundle), found.originalSource)
    const short = relative(root, path)
    const named = short.startsWith('..') || isAbsolute(short) ? path : short
    return `${named}:${found.originalLine + 1}:${found.originalColumn + 1}`
  })
}

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
