export interface Content {
  readonly name: string
  readonly type?: string | readonly string[]
  readonly coding?: string
  readonly body?: string | Buffer
  /** The event's encoding and data, or the statuses of a refusal. */
  readonly want: { readonly encoding: string; readonly data?: unknown } | readonly number[] | 'either'
}

const json = { encoding: 'json', data: { a: 1 } }

/** Whatever a Content-Type may say. */
export function* types(): Generator<Content> {
  const jsons = [
    'application/json',
    'APPLICATION/JSON',
    'application/json;charset=utf-8',
    'application/json; charset="UTF-8"',
    'application/json ; charset=utf8',
    'application/json;',
    'application/json; x=y',
    'application/problem+json',
    'application/vnd.api+json',
    'application/json; charset=us-ascii',
    'application/json;;',
    ' application/json',
  ]
  for (const type of jsons) yield { name: `JSON as ${JSON.stringify(type)}`, type, want: json }
  for (const charset of [
    'utf-16',
    'utf-7',
    'latin1',
    'windows-1252',
    'shift_jis',
    'x',
    'utf-32',
    'iso-8859-1',
    'utf-8x',
    '__proto__',
  ])
    yield { name: `JSON in ${charset}`, type: `application/json; charset=${charset}`, want: [415] }
  const texts = [
    'text/plain',
    'text/html',
    'text/csv; charset=utf-8',
    'text/plain; charset=latin1',
    'text/plain; charset=utf-16le',
    'text/xml',
  ]
  for (const type of texts)
    yield {
      name: `text as ${type}`,
      type,
      body: Buffer.from('ab'),
      want: type.includes('utf-16') ? { encoding: 'text' } : { encoding: 'text', data: 'ab' },
    }
  for (const charset of ['x', 'utf-7', '__proto__', 'constructor', 'a'.repeat(1_000), 'utf-8;x', '"', '%s'])
    yield {
      name: `text in ${charset.slice(0, 20)}`,
      type: `text/plain; charset=${charset}`,
      body: 'ab',
      want: 'either',
    }
  for (const bytes of ['ff', 'c328', 'eda080'])
    yield { name: `text of ${bytes}`, type: 'text/plain', body: Buffer.from(bytes, 'hex'), want: [400] }
  for (const type of [
    'multipart/form-data; boundary=x',
    'multipart/mixed',
    'MULTIPART/related; boundary=y',
    'multipart/byteranges',
  ])
    yield { name: `as ${type}`, type, want: [415] }
  const opaque = [
    'application/octet-stream',
    'image/png',
    'application/xml',
    'application/json-seq',
    'application/jsonx',
    'application/x-json',
    'json',
    'application',
    '/',
    '*/*',
    'application/*',
    '+json/x',
    'application/json/x',
    'a'.repeat(500),
    '\u00e9',
    'application\\json',
  ]
  for (const type of opaque) yield { name: `as ${type.slice(0, 40)}`, type, want: 'either' }
  for (const type of [
    ['application/json', 'text/plain'],
    ['text/plain', 'application/json'],
    ['application/json', 'application/json'],
  ])
    yield { name: `two types ${type.join(' and ')}`, type, want: 'either' }
  for (const type of [
    'application/json, text/plain',
    'application/json\t',
    'application/json;charset',
    'application/json;charset=',
    'application/json;=',
    'application/json; charset=utf-8; charset=utf-16',
    '',
    ';',
    'application/json;charset=utf-8,utf-16',
    'text/',
    'application/json;boundary=\u00ff',
  ])
    yield { name: `as ${JSON.stringify(type)}`, type, want: 'either' }
}
