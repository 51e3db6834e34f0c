import { type Case, either, expect, refused, type Told } from '../case.ts'
import { NAUGHTY } from '../strings.ts'
import type { Target } from '../target.ts'

const BOUNDARY = '----form'
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`

interface Part {
  readonly disposition: string | Buffer
  readonly type?: string
  readonly content: string
}

function form(parts: readonly Part[], end = `--${BOUNDARY}--\r\n`): Buffer {
  return Buffer.concat([
    ...parts.flatMap(({ disposition, type, content }) => [
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: `),
      Buffer.from(disposition),
      Buffer.from(`\r\n${type === undefined ? '' : `Content-Type: ${type}\r\n`}\r\n${content}\r\n`),
    ]),
    Buffer.from(end),
  ])
}

const file = (content = 'abc', name = 'a.txt'): Part => ({
  disposition: `form-data; name="file"; filename="${name}"`,
  content,
})
const field = (name: string, content: string): Part => ({ disposition: `form-data; name="${name}"`, content })

async function post(target: Target, body: Buffer, type = TYPE): Promise<Told> {
  const reply = await target.admin({
    path: '/_tappet/uploads/bad/forms',
    headers: { 'content-type': type },
    body,
  })
  const told = either(reply, 400, 404, 413, 415, 422)
  if (told.verdict === 'refused') return refused(reply, 400, 404, 413, 415, 422)
  const files = reply.json<{ key: string }[]>()
  for (const { key } of files)
    expect(!/(^|\/)\.\.?(\/|$)|[\\\p{Cc}]/u.test(key), `expected a harmless key, got ${JSON.stringify(key)}`)
  return { ...told, events: files.length }
}

const quoted = (text: string): string => text.replaceAll('"', '%22').replaceAll(/[\r\n]/g, ' ')

function* names(): Generator<Case> {
  for (const [i, text] of NAUGHTY.entries()) {
    yield { id: `forms/filename ${i}`, run: (target) => post(target, form([file('abc', quoted(text))])) }
    const extended = `form-data; name="file"; filename*=UTF-8''${encodeURIComponent(text)}`
    yield {
      id: `forms/filename* ${i}`,
      run: (target) => post(target, form([{ disposition: extended, content: 'abc' }])),
    }
    yield {
      id: `forms/key ${i}`,
      run: (target) => post(target, form([field('key', `bad/forms/${text}`), file()])),
    }
  }
}

const GOOD = form([field('key', 'bad/forms/cut'), file(), file('def', 'b.txt')])

const BODIES: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'only the end': Buffer.from(`--${BOUNDARY}--\r\n`),
  'no end': form([file()], ''),
  'an end without dashes': form([file()], `--${BOUNDARY}\r\n`),
  'another boundary': Buffer.from(form([file()]).toString().replaceAll(BOUNDARY, 'other')),
  'bare line feeds': Buffer.from(form([file()]).toString().replaceAll('\r\n', '\n')),
  'bare carriage returns': Buffer.from(form([file()]).toString().replaceAll('\r\n', '\r')),
  'no disposition': Buffer.from(`--${BOUNDARY}\r\n\r\nabc\r\n--${BOUNDARY}--\r\n`),
  'an empty disposition': form([{ disposition: '', content: 'abc' }]),
  'a disposition that is none': form([{ disposition: 'attachment; filename="a"', content: 'abc' }]),
  'no name': form([{ disposition: 'form-data; filename="a"', content: 'abc' }]),
  'an open quote': form([{ disposition: 'form-data; name="file; filename="a', content: 'abc' }]),
  'two names': form([
    { disposition: 'form-data; name="a"; name="b"; filename="c"; filename="d"', content: 'abc' },
  ]),
  'a name of 1 MB': form([
    { disposition: `form-data; name="${'n'.repeat(1_000_000)}"; filename="a"`, content: 'abc' },
  ]),
  'bytes that are no text in a name': form([
    {
      disposition: Buffer.from('form-data; name="file"; filename="\xff\xfe\xc3\x28"', 'latin1'),
      content: 'abc',
    },
  ]),
  'a form in a form': form([
    { disposition: 'form-data; name="file"; filename="a"', type: TYPE, content: GOOD.toString() },
  ]),
  'multipart/mixed inside': form([
    {
      disposition: 'form-data; name="file"; filename="a"',
      type: 'multipart/mixed; boundary=x',
      content: '--x\r\n\r\na\r\n--x--',
    },
  ]),
  '101 files': form(Array.from({ length: 101 }, (_, i) => file('a', `${i}.txt`))),
  '101 fields': form([...Array.from({ length: 101 }, (_, i) => field(`f${i}`, 'v')), file()]),
  '10,000 fields': form([...Array.from({ length: 10_000 }, (_, i) => field(`f${i}`, 'v')), file()]),
  'a field of 1 MB': form([field('key', 'k'.repeat(1_000_000)), file()]),
  '100 headers': Buffer.from(
    `--${BOUNDARY}\r\n${'X-A: b\r\n'.repeat(100)}Content-Disposition: form-data; name="file"; filename="a"\r\n\r\na\r\n--${BOUNDARY}--\r\n`,
  ),
  'a header of 100 KB': form([
    { disposition: 'form-data; name="file"; filename="a"', type: 'x'.repeat(100_000), content: 'a' },
  ]),
  'a header that never ends': Buffer.from(`--${BOUNDARY}\r\n${'x'.repeat(200_000)}`),
  'a key after its file': form([file(), field('key', 'bad/forms/late')]),
  'a key and no file': form([field('key', 'bad/forms/none')]),
  'keys that nobody wants': form([field('key', 'elsewhere/a'), file()]),
  'the same key twice': form([
    field('key', 'bad/forms/same'),
    file(),
    field('key', 'bad/forms/same'),
    file('def'),
  ]),
  'one good file and one refused': form([file(), field('key', '../x'), file()]),
  'a transfer encoding': Buffer.from(
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==\r\n--${BOUNDARY}--\r\n`,
  ),
  'text before and after': Buffer.concat([Buffer.from('before\r\n'), form([file()]), Buffer.from('after')]),
}

const TYPES = [
  ...[
    'multipart/form-data',
    'multipart/form-data;',
    'multipart/form-data; boundary',
    'multipart/form-data; boundary=',
  ],
  ...[
    'multipart/form-data; boundary=""',
    `multipart/form-data; boundary=${'b'.repeat(5_000)}`,
    'multipart/form-data; boundary=a b',
  ],
  ...[
    `multipart/form-data; boundary="${BOUNDARY}"`,
    `MULTIPART/FORM-DATA; BOUNDARY=${BOUNDARY}`,
    `multipart/mixed; boundary=${BOUNDARY}`,
  ],
  ...[
    `multipart/form-data; boundary=${BOUNDARY}; boundary=x`,
    `multipart/form-data; boundary=x; boundary=${BOUNDARY}`,
  ],
  ...[
    `multipart/form-data; boundary=${BOUNDARY}; charset=utf-16`,
    'application/x-www-form-urlencoded',
    'text/plain',
    '',
  ],
]

export const FORMS: readonly Case[] = [
  ...names(),
  ...Object.entries(BODIES).map(([what, body]) => ({
    id: `forms/${what}`,
    run: (target: Target) => post(target, body),
  })),
  ...TYPES.map((type, i) => ({
    id: `forms/type ${i}`,
    run: (target: Target) => post(target, form([file()]), type),
  })),
  // Cut off after each of its bytes.
  ...Array.from({ length: GOOD.length }, (_, at) => ({
    id: `forms/cut at ${at}`,
    run: (target: Target) => post(target, GOOD.subarray(0, at)),
  })),
]
