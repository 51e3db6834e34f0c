import type { Command } from 'commander'
import { CODES, type ErrorCode } from '../../errors.ts'
import { EXPLANATIONS } from '../../explain/pages.ts'
import { nearest } from '../../lib/nearest.ts'
import type { Cli } from '../cli.ts'
import { CliError } from '../errors.ts'
import { examples, type Verb } from '../verb.ts'

export function addExplain(program: Command, verb: Verb): void {
  program
    .command('explain')
    .description('why an error code comes, what to do, and whether trying again helps')
    .argument('<code>', 'like TPT_TIMEOUT; TPT_ may be left out')
    .addHelpText('after', examples('npx tappet explain TPT_TIMEOUT', 'npx tappet explain timeout'))
    .action(verb(async (cli, given: string) => explain(cli, given)))
}

function explain(cli: Cli, given: string): void {
  const code = codeOf(given)
  const { fault, retry, status, hint } = CODES[code]
  const { causes, remedies, retry: again } = EXPLANATIONS[code]
  const { bold, dim } = cli.paint
  const list = (lines: readonly string[]): string => lines.map((line) => `  - ${plain(line)}`).join('\n')
  const parts = [
    `${bold(code)}  ${dim(`fault: ${fault}, retry: ${retry ? 'yes' : 'no'}, status: ${status}`)}\n${plain(hint)}`,
    `${bold('Why it comes')}\n${list(causes)}`,
    `${bold('What to do')}\n${list(remedies)}`,
    `${bold('Does trying again help?')}\n  ${plain(again)}`,
  ]
  cli.show({ code, fault, retry, status, hint, causes, remedies, again }, () => parts.join('\n\n'))
}

function codeOf(given: string): ErrorCode {
  const name = given.toUpperCase().replace(/^(?!TPT_)/, 'TPT_')
  if (Object.hasOwn(CODES, name)) return name as ErrorCode
  const near = nearest(name, Object.keys(CODES))
  throw new CliError('TPT_NOT_FOUND', `there is no error code ${JSON.stringify(given.slice(0, 100))}`, {
    hint: near === null ? 'They are in docs/errors.md.' : `Did you mean ${near}?`,
  })
}

/** Links and marks are for Markdown. */
function plain(text: string): string {
  return text.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, 'docs/$1').replaceAll(/[`*]/g, '')
}
