import { arch, platform } from 'node:os'
import type { Command } from 'commander'
import { VERSION } from '../../lib/version.ts'
import { examples, type Verb } from '../verb.ts'

export function addVersion(program: Command, verb: Verb): void {
  program
    .command('version')
    .description('what this is, and what it runs on')
    .addHelpText('after', examples('npx tappet version', 'npx tappet version --json'))
    .action(
      verb(async (cli) => {
        const node = process.versions.node
        const value = { version: VERSION, node, platform: platform(), arch: arch() }
        cli.show(value, () => `tappet ${VERSION} (node ${node}, ${platform()} ${arch()})`)
      }),
    )
}
