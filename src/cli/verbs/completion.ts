import { Argument, type Command } from 'commander'
import { bashCompletion } from '../completion/bash.ts'
import { fishCompletion } from '../completion/fish.ts'
import { type Place, placesOf } from '../completion/tree.ts'
import { zshCompletion } from '../completion/zsh.ts'
import { examples, type Verb } from '../verb.ts'

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const

export function addCompletion(program: Command, verb: Verb): void {
  program
    .command('completion')
    .description('print what makes a shell complete commands and flags')
    .addArgument(new Argument('<shell>', 'whose').choices(Object.keys(SHELLS)))
    .addHelpText(
      'after',
      examples('eval "$(npx tappet completion bash)"', 'npx tappet completion fish | source'),
    )
    .action(
      verb(async (cli, shell: keyof typeof SHELLS) => {
        const write: (places: readonly Place[]) => string = SHELLS[shell]
        const script = write(placesOf(program))
        cli.show({ shell, script }, () => script.trimEnd())
      }),
    )
}
