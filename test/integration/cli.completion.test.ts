import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { type Place, placesOf } from '../../src/cli/completion/tree.ts'
import { createProgram } from '../../src/cli/program.ts'
import { runCli } from '../support/cli.ts'

const run = promisify(execFile)

function has(shell: string): boolean {
  try {
    execFileSync(shell, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The last word is the one that is being typed. */
const COMPLETE = `
complete -p tappet >/dev/null || exit 9
while IFS= read -r line; do
  IFS=' ' read -r -a COMP_WORDS <<< "\${line%|}"
  [[ $line == *' |' ]] && COMP_WORDS+=('')
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _tappet
  (IFS=' '; echo "\${COMPREPLY[*]}")
done
`

describe('completion', () => {
  let folder: string
  let places: readonly Place[]

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tappet-completion-'))
    await writeFile(join(folder, 'photo.jpg'), '')
    const io = {
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      onSignal: () => undefined,
    }
    places = placesOf(createProgram(io, () => undefined))
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { code, stdout } = await runCli(['completion', shell])
      assert.equal(code, 0)
      await writeFile(join(folder, shell), stdout)
    }
  })
  after(() => rm(folder, { recursive: true }))

  /** What bash completes at the end of each line; a line that ends with a space begins a word. */
  const complete = (lines: readonly string[]): string[][] => {
    const input = lines.map((line) => `${line}|\n`).join('')
    const script = `source ./bash || exit 8\n${COMPLETE}`
    const output = execFileSync('bash', ['--norc', '-c', script], { cwd: folder, input, encoding: 'utf8' })
    return output
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ').filter(Boolean))
  }
  const completed = (line: string): string[] => complete([line])[0] ?? []

  it('by bash: completes the words of every place, and its flags', () => {
    const begins = places.map(({ path }) => `tappet ${path}${path === '' ? '' : ' '}`)
    const commands = complete(begins.map((line) => line))
    const flags = complete(begins.map((line) => `${line}--`))
    assert.ok(places.length > 35)
    for (const [i, { path, commands: known, flags: known2, takes }] of places.entries()) {
      const names = known.map(({ name }) => name)
      if (names.length > 0) assert.deepEqual(commands[i], names, path)
      else if (takes.kind === 'words') assert.deepEqual(commands[i], takes.words, path)
      const long = known2.flatMap(({ names: all }) => all.filter((name) => name.startsWith('--')))
      assert.deepEqual(flags[i], long, path)
    }
  })

  it('by bash: goes on with what has been typed', () => {
    assert.deepEqual(completed('tappet sche'), ['schedules'])
    assert.deepEqual(completed('tappet queues p'), ['pause'])
    assert.deepEqual(completed('tappet nothing-like-this'), [])
    assert.deepEqual(completed('tappet runs list --sta'), ['--state'])
  })

  it('by bash: completes the values of flags, also after =', () => {
    assert.deepEqual(completed('tappet runs list --state dea'), ['dead'])
    assert.deepEqual(completed('tappet runs list --state = dea'), ['dead'])
    assert.deepEqual(completed('tappet runs list --state ='), completed('tappet runs list --state '))
    assert.deepEqual(completed('tappet status -o '), ['text', 'env'])
    assert.deepEqual(completed('tappet completion '), ['bash', 'zsh', 'fish'])
  })

  it('by bash: takes the value of a flag for no command', () => {
    assert.deepEqual(completed('tappet --url runs que'), ['queues'])
    assert.deepEqual(completed('tappet --url = runs que'), ['queues'])
    assert.deepEqual(completed('tappet --json runs li'), ['list'])
    assert.deepEqual(completed('tappet --token '), [])
  })

  it('by bash: completes files where files are taken', () => {
    assert.deepEqual(completed('tappet upload ph'), ['photo.jpg'])
    assert.deepEqual(completed('tappet --cwd ph'), ['photo.jpg'])
  })

  for (const shell of ['zsh', 'fish']) {
    it(`by ${shell}: is what it can read`, { skip: !has(shell) && `no ${shell} on the PATH` }, async () => {
      await run(shell, ['-n', join(folder, shell)])
    })
  }

  it(
    'by fish: completes commands, flags and values',
    { skip: !has('fish') && 'no fish on the PATH' },
    async () => {
      const ask = async (line: string): Promise<string[]> => {
        const script = `source ./fish; complete -C '${line}'`
        const { stdout } = await run('fish', ['--no-config', '-c', script], { cwd: folder })
        return stdout.split('\n').flatMap((found) => found.split('\t')[0] || [])
      }
      assert.deepEqual(await ask('tappet queues p'), ['pause'])
      assert.deepEqual(await ask('tappet runs list --state dea'), ['dead'])
      assert.deepEqual(await ask('tappet --url runs que'), ['queues'])
    },
  )

  it('names every command of the program in each of the shells', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { stdout } = await runCli(['completion', shell])
      for (const { path } of places.filter((place) => place.path !== ''))
        assert.ok(stdout.includes(`'${path}'`), `${shell}: ${path}`)
    }
  })

  it('refuses a shell that it does not know', async () => {
    const { code, stderr } = await runCli(['completion', 'tcsh'])
    assert.equal(code, 2)
    assert.match(stderr, /bash, zsh, fish/)
  })
})
