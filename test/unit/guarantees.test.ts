import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'

const PAGE = 'docs/guarantees.md'
/** It has titles that are only examples. */
const OWN = 'test/unit/guarantees.test.ts'
const NAMED = /^- \[(test\/[^\]]+)\]\(\.\.\/(test\/[^)]+)\): `(.+)`$/gm
const TITLE = /\b(?:test|it)\(\s*(['"`])(G\d+(?:, G\d+)*: (?:(?!\1).)+)\1/g

interface Named {
  readonly file: string
  readonly title: string
}

/** What differs from case to case reads … on the page. */
function titlesIn(file: string, text: string): Named[] {
  return [...text.matchAll(TITLE)].map(([, , title = '']) => ({
    file,
    title: title.replaceAll(/\$\{[^}]*\}/g, '…'),
  }))
}

async function titles(): Promise<Named[]> {
  const files = (await readdir('test', { recursive: true })).filter(
    (name) => name.endsWith('.ts') && join('test', name) !== OWN,
  )
  const all = await Promise.all(
    files.map(async (name) => titlesIn(join('test', name), await readFile(join('test', name), 'utf8'))),
  )
  return all.flat()
}

/** By the promise under whose heading they stand. */
function namedIn(page: string): (Named & { readonly promise: string })[] {
  return page.split(/^## /m).flatMap((section) => {
    const promise = /^G\d+/.exec(section)?.[0] ?? ''
    return [...section.matchAll(NAMED)].map(([, label = '', file = '', title = '']) => {
      assert.equal(label, file)
      return { promise, file, title }
    })
  })
}

const key = ({ file, title }: Named): string => `${file}: ${title}`

describe(PAGE, () => {
  it('names only tests that there are, and every test of a promise', async () => {
    const named = namedIn(await readFile(PAGE, 'utf8'))
    const there = await titles()
    assert.ok(there.length > 50, `found only ${there.length} titles: the pattern misses them`)
    assert.deepEqual(new Set(named.map(key)), new Set(there.map(key)))
    assert.equal(named.length, new Set(named.map(key)).size, 'each is named once')
  })

  it('has tests for each of its promises, under one that their titles name', async () => {
    const named = namedIn(await readFile(PAGE, 'utf8'))
    for (const { promise, title } of named)
      assert.ok(title.split(': ')[0]?.split(', ').includes(promise), title)
    const promises = Array.from({ length: 10 }, (_, i) => `G${i + 1}`)
    assert.deepEqual([...new Set(named.map(({ promise }) => promise))], promises)
  })

  it('reads titles as they are written', () => {
    const text = ["it('G1: a', async", 'test(`G2, G3: b ${x}`, {', 'test(\n  "G4: it\'s", f)', "it('c', f)"]
    assert.deepEqual(
      titlesIn('f', text.join('\n')).map(({ title }) => title),
      ['G1: a', 'G2, G3: b …', "G4: it's"],
    )
  })
})
