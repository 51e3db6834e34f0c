import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'

import { loadCatalog } from '../../src/runtime/catalog.ts'
import { createDescriber } from '../../src/runtime/describer.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '..', '..')

async function documents(): Promise<string[]> {
  const names = await readdir(join(ROOT, 'docs'), { recursive: true }).catch(() => [])
  const docs = names.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)
  return [
    'README.md',
    'functions/README.md',
    'src/README.md',
    'src/triggers/README.md',
    'CONTRIBUTING.md',
    ...docs,
  ]
}

function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, code = '']) => code,
  )
}

describe('the documents', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(ROOT, 'test', 'types', 'tmp-docs-'))
  })
  after(() => rm(folder, { recursive: true }))

  it('show TypeScript that compiles', async () => {
    const all = (
      await Promise.all((await documents()).map((name) => readFile(join(ROOT, name), 'utf8')))
    ).flatMap((text) => blocks(text, 'ts'))
    assert.ok(all.length >= 2, `found ${all.length} blocks`)
    const strict = {
      extends: '../../../tsconfig.json',
      compilerOptions: { noUnusedLocals: false },
      include: ['*.ts'],
    }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(strict))
    await Promise.all(all.map((code, i) => writeFile(join(folder, `block${i}.ts`), code)))
    const tsc = join(ROOT, 'node_modules', '.bin', 'tsc')
    const { stdout } = await run(tsc, ['--noEmit', '-p', folder]).catch((error: { stdout: string }) => error)
    assert.equal(stdout, '')
  })

  it('show functions that load', async () => {
    const texts = await Promise.all((await documents()).map((name) => readFile(join(ROOT, name), 'utf8')))
    const functions = texts
      .flatMap((text) => blocks(text, 'ts'))
      .filter((code) => code.includes('export default '))
    await mkdir(join(folder, 'functions'))
    await Promise.all(functions.map((code, i) => writeFile(join(folder, 'functions', `block${i}.ts`), code)))
    const describe = createDescriber({ root: folder, environment: { PATH: process.env.PATH ?? '' } })
    const catalog = await loadCatalog({ root: folder, buildDir: join(folder, 'build'), describe })
    assert.deepEqual(catalog.problems, [])
    assert.equal(catalog.functions.length, functions.length)
    const kinds = new Set(catalog.functions.flatMap(({ triggers }) => triggers.map(({ kind }) => kind)))
    assert.deepEqual([...kinds].toSorted(), ['cron', 'http', 'postgres', 'queue', 'upload'])
  })

  it('name only commands that exist', async () => {
    const { stdout } = await run(process.execPath, [join(ROOT, 'dist', 'bin', 'tappet.js'), '--help'])
    const known = new Set([...stdout.matchAll(/^ {2}([a-z]+)/gm)].map(([, verb]) => verb))
    const text = (
      await Promise.all((await documents()).map((name) => readFile(join(ROOT, name), 'utf8')))
    ).join('\n')
    const used = [...text.matchAll(/npx tappet ([a-z]+)/g)].map(([, verb]) => verb)
    assert.ok(used.length > 5)
    assert.deepEqual(
      used.filter((verb) => !known.has(verb)),
      [],
    )
  })

  it('name only scripts that exist', async () => {
    const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const text = (
      await Promise.all((await documents()).map((name) => readFile(join(ROOT, name), 'utf8')))
    ).join('\n')
    const used = [...text.matchAll(/npm run ([a-z:-]+)/g)].map(([, name]) => name ?? '')
    assert.deepEqual(
      used.filter((name) => !(name in scripts)),
      [],
    )
  })

  it('say of others only what a page of theirs says', async () => {
    const text = await readFile(join(ROOT, 'docs', 'compare.md'), 'utf8')
    const rows = text.split('\n').filter((line) => /^\| (?!what|---)/.test(line))
    assert.ok(rows.length > 30)
    for (const row of rows) assert.match(row, /\]\(https:\/\/\S+\) \|$/)
  })

  it('link only to files that exist', async () => {
    for (const name of await documents()) {
      const text = await readFile(join(ROOT, name), 'utf8')
      const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link]) => link ?? '')
      for (const link of links)
        await readFile(join(ROOT, dirname(name), link)).catch(() => assert.fail(`${name}: ${link}`))
    }
  })
})
