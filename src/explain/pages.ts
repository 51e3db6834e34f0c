import { CODES, type ErrorCode, type ErrorInfo, type Fault } from '../errors.ts'
import { AUTHOR } from './author.ts'
import type { Explanation } from './explanation.ts'
import { OPERATOR } from './operator.ts'
import { SENDER } from './sender.ts'
import { SYSTEM } from './system.ts'

/** A code without an explanation does not compile. */
export const EXPLANATIONS: Readonly<Record<ErrorCode, Explanation>> = {
  ...SENDER,
  ...AUTHOR,
  ...OPERATOR,
  ...SYSTEM,
}

const WHO: Readonly<Record<Fault, string>> = {
  sender: 'who sent it',
  author: 'who wrote the function',
  operator: 'who runs Tappet',
  system: 'nobody',
}

const codes = Object.entries(CODES) as readonly (readonly [ErrorCode, ErrorInfo])[]

/** `docs/errors.md` and a page for each code, as paths in the repository with their text. */
export function errorDocs(): ReadonlyMap<string, string> {
  const pages = codes.map(([code]) => [`docs/errors/${code}.md`, page(code)] as const)
  return new Map([['docs/errors.md', overview()], ...pages])
}

function overview(): string {
  const rows = codes.map(([code, { fault, retry, status, hint }]) => {
    const cells = [`[\`${code}\`](errors/${code}.md)`, fault, retry ? 'yes' : 'no', String(status), hint]
    return `| ${cells.join(' | ')} |`
  })
  return `# Errors

Every error of Tappet's own has a code. *Fault* says who has to act: the sender of the event, the author of the function,
the operator, or nobody (system). *Retry* says whether the same can succeed later by itself. *Status* is what a waiting
HTTP caller gets. Each code has a page with its causes; \`npx tappet explain TPT_TIMEOUT\` prints it. All of this is made from
\`src/errors.ts\` and \`src/explain/\` by \`npm run docs\`.

| code | fault | retry | status | what to do |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`
}

function page(code: ErrorCode): string {
  const { fault, retry, status, hint } = CODES[code]
  const { causes, remedies, retry: again } = EXPLANATIONS[code]
  const list = (lines: readonly string[]): string => lines.map((line) => `- ${line}`).join('\n')
  return `# ${code}

${hint}

| who has to act | can it succeed later by itself | HTTP status |
| --- | --- | --- |
| ${WHO[fault]} | ${retry ? 'yes' : 'no'} | ${status} |

## Why it comes

${list(causes)}

## What to do

${list(remedies)}

## Does trying again help?

${again}

[All codes](../errors.md)
`
}
