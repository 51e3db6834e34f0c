import type { Notice } from './alert.ts'

/** For people: one line, without what a terminal or a chat would act on. */
export function textOf({ type, data }: Notice): string {
  const state = { 'alert.firing': 'Firing', 'alert.resolved': 'Resolved', 'alert.test': 'Test' }[type]
  // oxlint-disable-next-line no-control-regex
  return `${state}: ${data.message.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')}`
}
