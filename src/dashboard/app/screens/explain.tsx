import { CODES, type ErrorCode } from '../../../errors.ts'
import { EXPLANATIONS } from '../../../explain/pages.ts'
import { Empty, Page } from '../ui/parts.tsx'

/** Why a code comes, what to do, and whether trying again helps. */
export function Explain({ code }: { readonly code: string }) {
  if (!(code in EXPLANATIONS)) return <Page title={code}>{<Empty>This is no code of Tappet's.</Empty>}</Page>
  const { causes, remedies, retry: again } = EXPLANATIONS[code as ErrorCode]
  const { hint, fault, retry, status } = CODES[code as ErrorCode]
  return (
    <Page title={code}>
      <p>
        <Marked text={hint} />
      </p>
      <dl class="facts">
        <dt>Who has to act</dt>
        <dd>{WHO[fault]}</dd>
        <dt>Can it succeed later by itself</dt>
        <dd>{retry ? 'yes' : 'no'}</dd>
        <dt>HTTP status</dt>
        <dd>{status}</dd>
      </dl>
      <Lines title="Why it comes" lines={causes} />
      <Lines title="What to do" lines={remedies} />
      <h2>Does trying again help?</h2>
      <p>
        <Marked text={again} />
      </p>
    </Page>
  )
}

const WHO = {
  sender: 'who sent it',
  author: 'who wrote the function',
  operator: 'who runs Tappet',
  system: 'nobody',
} as const

function Lines({ title, lines }: { readonly title: string; readonly lines: readonly string[] }) {
  return (
    <section>
      <h2>{title}</h2>
      <ul>
        {lines.map((line) => (
          <li key={line}>
            <Marked text={line} />
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Of Markdown what the explanations use: code, names of documents, emphasis. */
function Marked({ text }: { readonly text: string }) {
  const parts = text
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '`docs/$1`')
    .replaceAll('*', '')
    .split('`')
  return <>{parts.map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part))}</>
}
