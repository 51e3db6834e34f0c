import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { usageError } from '../errors.ts'
import { printable } from '../text.ts'
import { examples, type Verb } from '../verb.ts'

interface Stored {
  readonly file: string
  readonly key: string
  readonly size: number
  readonly contentType: string
  readonly runs: readonly string[]
}

export function addUpload(program: Command, verb: Verb): void {
  program
    .command('upload')
    .description('store a file')
    .argument('<file>', 'its path')
    .option('--to <key>', "the key to store it under (default: the file's name)")
    .addHelpText('after', examples('npx tappet upload me.png --to avatars/42/me.png'))
    .action(
      verb(async (cli, file: string, options: { readonly to?: string }) => {
        const path = resolve(file)
        const { size } = await checkFile(path)
        const key = options.to ?? basename(path)
        const server = await cli.server()
        const url = `/_tappet/uploads/${key.split('/').map(encodeURIComponent).join('/')}`
        const stored = await server.put<Stored>(url, createReadStream(path), size)
        const { contentType, runs } = stored
        const kind = `${stored.size} bytes, ${contentType}`
        cli.show(stored, () => `stored ${printable(stored.key)} (${kind}) → ${runs.join(' ') || 'no run'}`)
      }),
    )
}

async function checkFile(path: string): Promise<{ readonly size: number }> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw usageError(`${path} cannot be read (${error.code})`, 'Check the path.')
  })
  if (!found.isFile())
    throw usageError(`expected a file, got ${path}, which is none`, 'Give the path of a file.')
  return found
}
