import { type Bytes, HEAD, REFUSED, TAKEN, chunked } from './framing-parts.ts'

export function* lengths(): Generator<Bytes> {
  const length = (value: string): string => `${HEAD}Content-Length: ${value}\r\n\r\n{}`
  for (const value of [
    '-1',
    '+2',
    '0x2',
    '2.0',
    '2e0',
    ' 2 2',
    '2,2',
    '2, 3',
    '',
    'a',
    '٢',
    '2\t3',
    '18446744073709551616',
    '99999999999999999999999',
    '2;',
    '"2"',
    '١',
    'NaN',
    'Infinity',
    '0b10',
    '1_0',
  ])
    yield { what: `Content-Length ${JSON.stringify(value)}`, bytes: length(value), want: REFUSED, open: true }
  yield {
    what: 'two lengths that differ',
    bytes: `${HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    want: REFUSED,
    open: true,
  }
  yield {
    what: 'two lengths that agree',
    bytes: `${HEAD}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`,
    want: [[400, 202]],
    open: true,
  }
  for (const value of ['1048577', '10000000', '9007199254740991', '9223372036854775807'])
    yield { what: `Content-Length ${value}`, bytes: length(value), want: [[413, 400]], open: true }
  for (const value of ['3', '100', '1048576'])
    yield { what: `Content-Length ${value} with 2 bytes`, bytes: length(value), want: [[400, 0]], open: true }
  const both = [
    ...['Content-Length: 4\r\nTransfer-Encoding: chunked', 'Transfer-Encoding: chunked\r\nContent-Length: 4'],
    ...['Content-Length: 0\r\nTransfer-Encoding: chunked', 'Transfer-Encoding: chunked\r\nContent-Length: 0'],
    ...[
      'Content-Length: 4\r\nTransfer-Encoding: identity',
      'Content-Length: 4\r\nTransfer-Encoding: xchunked',
    ],
    ...[
      'Content-Length: 4\r\nTransfer-Encoding : chunked',
      'Content-Length: 4\r\nTransfer-Encoding: chunked, identity',
    ],
    ...[
      'Content-Length: 4\r\nTransfer-Encoding:\tchunked',
      'Content-Length: 4\r\n Transfer-Encoding: chunked',
    ],
    ...[
      'Content-Length: 4\r\nX: y\nTransfer-Encoding: chunked',
      'Content-Length: 4\r\nTransfer-Encoding: "chunked"',
    ],
  ]
  for (const headers of both)
    yield {
      what: `smuggling ${JSON.stringify(headers)}`,
      bytes: `${HEAD}${headers}\r\n\r\n0\r\n\r\nPOST /in HTTP/1.1\r\nHost: here\r\n\r\n`,
      want: REFUSED,
      open: true,
    }
  const codings = [
    'identity',
    'gzip',
    'chunked, gzip',
    'gzip, identity',
    'chunked, chunked',
    'chunke',
    'chunkedd',
    'CHUNKED, x',
    ',',
    'chunked,',
    'x chunked',
    '\u000bchunked',
    'chunked;q=1',
  ]
  for (const coding of codings)
    yield {
      what: `Transfer-Encoding ${JSON.stringify(coding)}`,
      bytes: `${HEAD}Transfer-Encoding: ${coding}\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
      want: [[400, 501]],
      open: true,
    }
  // No coding at all: the request has no body, and what follows it is no request.
  yield {
    what: 'Transfer-Encoding ""',
    bytes: `${HEAD}Transfer-Encoding:\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    want: [[400, 202]],
    open: true,
  }
  yield {
    what: 'two Transfer-Encodings',
    bytes: `${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
    want: REFUSED,
    open: true,
  }
}

export function* chunks(): Generator<Bytes> {
  for (const body of [
    '2\r\n{}\r\n0\r\n\r\n',
    '1\r\n{\r\n1\r\n}\r\n0\r\n\r\n',
    '02\r\n{}\r\n000\r\n\r\n',
    '2;a=b\r\n{}\r\n0\r\n\r\n',
    '2;a="b c"\r\n{}\r\n0\r\n\r\n',
    '2\r\n{}\r\n0\r\nX-T: 1\r\n\r\n',
  ])
    yield { what: `good ${JSON.stringify(body)}`, bytes: chunked(body), want: TAKEN }
  const bad = [
    ...[
      'x\r\n{}\r\n0\r\n\r\n',
      '-2\r\n{}\r\n0\r\n\r\n',
      '+2\r\n{}\r\n0\r\n\r\n',
      '0x2\r\n{}\r\n0\r\n\r\n',
      ' 2\r\n{}\r\n0\r\n\r\n',
      '\r\n{}\r\n0\r\n\r\n',
    ],
    ...[
      '2\n{}\r\n0\r\n\r\n',
      '2\r\n{}\n0\r\n\r\n',
      '2\r\n{}0\r\n\r\n',
      '2\r\n{}xx0\r\n\r\n',
      '2\r\n{}\r\n0\n\n',
      '1\r\n{}\r\n0\r\n\r\n',
    ],
    ...[
      '2 \r\n{}\r\n0\r\n\r\n',
      '2\r{}\r\n0\r\n\r\n',
      '2;\u0000\r\n{}\r\n0\r\n\r\n',
      '2;a\nb\r\n{}\r\n0\r\n\r\n',
      '2;"\r\n{}\r\n0\r\n\r\n',
      'ffffffffffffffff1\r\n{}\r\n0\r\n\r\n',
    ],
    ...[
      '2.0\r\n{}\r\n0\r\n\r\n',
      '2,\r\n{}\r\n0\r\n\r\n',
      '２\r\n{}\r\n0\r\n\r\n',
      '2\r\n{}\r\n0\r\nbad trailer\r\n\r\n',
      '2\r\n{}\r\n0\r\n: x\r\n\r\n',
      '2\r\n{}\r\n-0\r\n\r\n',
    ],
  ]
  for (const body of bad)
    yield { what: `bad ${JSON.stringify(body)}`, bytes: chunked(body), want: [[400, 0]], open: true }
  for (const body of [
    '',
    '2',
    '2\r\n',
    '2\r\n{',
    '2\r\n{}',
    '2\r\n{}\r\n',
    '2\r\n{}\r\n0',
    '2\r\n{}\r\n0\r\n',
    'ffffff\r\n{}',
  ])
    yield { what: `unfinished ${JSON.stringify(body)}`, bytes: chunked(body), want: [[400, 0]], open: true }
  yield {
    what: 'an extension of 1 MB',
    bytes: chunked(`2;${'a'.repeat(1_000_000)}\r\n{}\r\n0\r\n\r\n`),
    want: [[413, 400, 0]],
  }
  yield {
    what: 'trailers of 1 MB',
    bytes: chunked(`2\r\n{}\r\n0\r\nX: ${'a'.repeat(1_000_000)}\r\n\r\n`),
    want: [[431, 400, 0]],
  }
  yield {
    what: 'a million empty extensions',
    bytes: chunked(`2${';'.repeat(1_000_000)}\r\n{}\r\n0\r\n\r\n`),
    want: [[413, 400, 0]],
  }
  yield {
    what: '5,000 chunks of a byte',
    bytes: chunked(`${'1\r\n \r\n'.repeat(5_000)}2\r\n{}\r\n0\r\n\r\n`),
    want: TAKEN,
  }
  yield {
    what: '2 MB in chunks',
    bytes: chunked(`1000\r\n${' '.repeat(4_096)}\r\n`.repeat(512)),
    want: [[413]],
  }
}
