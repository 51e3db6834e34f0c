import * as z from 'zod'
import { type Duration, toMs } from './lib/duration.ts'

/** A text like `30s`, as milliseconds. */
export const duration = z.string().transform((text, ctx) => {
  try {
    return toMs(text as Duration)
  } catch (error) {
    ctx.addIssue({ code: 'custom', message: (error as Error).message })
    return z.NEVER
  }
})

/** A URL of one of these schemes. */
export const url = (...schemes: readonly string[]) =>
  z
    .string()
    .refine((text) => schemes.some((scheme) => text.startsWith(`${scheme}://`)) && URL.canParse(text), {
      message: `must be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
    })

/** Texts with commas between them. */
export const list = z.string().transform((text) => text.split(',').flatMap((part) => part.trim() || []))

/** A duration; `text` is `ms` as people write it. */
export const atLeast = (ms: number, text: string) =>
  duration.refine((given) => given >= ms, `must be at least ${text}`)
