import type { Command } from 'commander'
import type { LoadedCatalog } from '../../api/deps.ts'
import type { ListedFunction } from '../../api/find-function.ts'
import type { TriggerProblem } from '../../triggers/trigger.ts'
import { firstLine, formatTable, printable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

export interface Functions {
  readonly functions: readonly ListedFunction[]
  readonly problems: LoadedCatalog['problems']
  readonly triggerProblems: readonly TriggerProblem[]
}

export function addFunctions(program: Command, verb: Verb): void {
  program
    .command('functions')
    .description('the functions that are served, with their triggers')
    .addHelpText('after', examples('npx tappet functions', 'npx tappet functions --json'))
    .action(
      verb(async (cli) => {
        const found = await (await cli.server()).get<Functions>('/functions')
        cli.show(found, () =>
          [functionTable(found.functions, cli.columns), ...problemLines(found)].join('\n'),
        )
      }),
    )
}

/** A line for each trigger; the name and the policy stand on the first one of a function. */
export function functionTable(
  functions: readonly ListedFunction[],
  width = Infinity,
  note: (functionId: string, index: number) => string = () => '',
): string {
  const rows = functions.flatMap(({ id, triggers, retry }) =>
    triggers.map(({ kind, label }, index) => [
      index === 0 ? id : '',
      kind,
      firstLine(label.replace(`${kind} `, ''), 60),
      index === 0 ? (retry.attempts === 1 ? 'none' : `${retry.attempts} attempts`) : '',
      note(id, index),
    ]),
  )
  return formatTable(['FUNCTION', 'ON', '', 'RETRIES', ''], rows, width)
}

/** What is wrong with which file, one line each. */
export function problemLines({ functions, problems, triggerProblems }: Functions): string[] {
  const files = new Map(functions.map(({ id, file }) => [id, file]))
  return [
    ...problems.map(({ message }) => `✖ ${printable(message)}`),
    ...triggerProblems.map(
      ({ functionId, label, message }) =>
        `✖ ${files.get(functionId) ?? functionId}: ${printable(message)} (${printable(label)})`,
    ),
  ]
}
