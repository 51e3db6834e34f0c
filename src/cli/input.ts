import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { InvalidArgumentError } from 'commander'
import { type Duration, toMs } from '../lib/duration.ts'
import { parseJson } from '../lib/json.ts'
import type { Cli } from './cli.ts'
import { usageError } from './errors.ts'

/** JSON as people hand it over: as it is, `@file`, or `-` for stdin. */
export async function readData(given: string, { io }: Cli, flag = '--data'): Promise<unknown> {
  const source = given === '-' ? 'stdin' : given.startsWith('@') ? given.slice(1) : flag
  const json =
    given === '-'
      ? await text(io.stdin)
      : given.startsWith('@')
        ? await readText(given.slice(1), flag)
        : given
  try {
    return parseJson(json)
  } catch (error) {
    const hint = `Quote text twice: ${flag} '"text"'. A file is ${flag} @file, stdin is ${flag} -.`
    throw usageError(`${source}: ${(error as Error).message}`, hint)
  }
}

async function readText(path: string, flag: string): Promise<string> {
  try {
    return await readFile(resolve(path), 'utf8')
  } catch (error) {
    throw usageError(`${flag} @${path}: ${(error as Error).message}`, 'Check the path.')
  }
}

/** Commander parsers: what they throw is shown with the option's name. */
export function wholeNumber(most: number): (text: string) => number {
  return (given) => {
    const value = Number(given)
    if (/^\d+$/.test(given) && value >= 1 && value <= most) return value
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${most}.`)
  }
}

export function portNumber(given: string): number {
  const value = Number(given)
  if (/^\d+$/.test(given) && value <= 65_535) return value
  throw new InvalidArgumentError('It must be a port from 0 to 65535.')
}

/** A duration, kept as it was written. */
export function duration(given: string): Duration {
  try {
    toMs(given as Duration)
    return given as Duration
  } catch (error) {
    throw new InvalidArgumentError(`It ${(error as Error).message}.`)
  }
}
