import { type Bytes, BODY, REFUSED, TAKEN, withHeaders, hex, latin1 } from './framing-parts.ts'

export function* requestLines(): Generator<Bytes> {
  const rest = `\r\nHost: here\r\nConnection: close\r\n${BODY}`
  const lines = [
    ...['GET', 'POST /in', 'POST\t/in HTTP/1.1', 'POST /in HTTP/1.1 x'],
    ...[
      'POST /in HTTP/2.0',
      'POST /in HTTP/9.9',
      'POST /in HTTP/1.10',
      'POST /in HTTP/1',
      'POST /in http/1.1',
    ],
    ...[
      'POST /in HTTP/1,1',
      'POST /in HTTP/-1.1',
      'POST /in XTTP/1.1',
      'POST in HTTP/1.1',
      'post /in HTTP/1.1',
    ],
    ...[
      'PoST /in HTTP/1.1',
      'FOO /in HTTP/1.1',
      'POSTX /in HTTP/1.1',
      ' POST /in HTTP/1.1',
      '{} /in HTTP/1.1',
    ],
    ...['POST /a b HTTP/1.1', 'POST /in\u0000 HTTP/1.1', 'POST /in\u0001 HTTP/1.1', 'POST /\u007f HTTP/1.1'],
  ]
  for (const line of lines)
    yield { what: `request line ${JSON.stringify(line)}`, bytes: line + rest, want: [[400, 404]], open: true }
  // Section 3 of RFC 9112 lets a server be lenient here.
  for (const line of ['POST  /in HTTP/1.1', 'POST /in  HTTP/1.1'])
    yield { what: `request line ${JSON.stringify(line)}`, bytes: line + rest, want: [[202, 400]] }
  for (const uri of ['http://here/in', 'http://other/in', 'https://here/in', 'HTTP://here/in'])
    yield { what: `absolute form ${uri}`, bytes: `POST ${uri} HTTP/1.1${rest}`, want: [[202, 400, 404]] }
  for (const path of [
    '*',
    '//',
    '//in',
    '/%',
    '/%zz',
    '/in/%ff',
    '/in/%c0%af',
    '/in/%',
    '/%00',
    '/in/..%2f..%2f',
    '/../in',
    '/./in',
    '/in/../in',
    '/in#a',
    '/in;a',
    '/\\in',
  ])
    yield { what: `target ${path}`, bytes: `POST ${path} HTTP/1.1${rest}`, want: [[202, 400, 404]] }
  for (const length of [1_000, 8_000, 15_000])
    yield {
      what: `target of ${length} bytes`,
      bytes: `POST /${'a'.repeat(length)} HTTP/1.1${rest}`,
      want: [[404, 414]],
    }
  for (const length of [17_000, 100_000, 1_000_000])
    yield {
      what: `target of ${length} bytes`,
      bytes: `POST /${'a'.repeat(length)} HTTP/1.1${rest}`,
      want: [[431, 414]],
    }
  for (const method of [
    'CONNECT',
    'TRACE',
    'PRI',
    'PURGE',
    'PROPFIND',
    'QUERY',
    'OPTIONS',
    'DELETE',
    'PATCH',
    'PUT',
    'HEAD',
    'LOCK',
    'M-SEARCH',
    'SOURCE',
  ])
    yield {
      what: `method ${method}`,
      bytes: `${method} /in HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n`,
      want: [[400, 404, 405, 501, 0]],
      open: true,
    }
  yield { what: 'HTTP/2 preface', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', want: [[400, 0]], open: true }
  yield { what: 'HTTP/0.9', bytes: 'GET /in\r\n\r\n', want: [[400, 0]], open: true }
  yield {
    what: 'TLS hello',
    bytes: Buffer.from('16030100a5010000a10303', 'hex'),
    want: [[400, 0]],
    open: true,
  }
  yield { what: 'nothing but line ends', bytes: '\r\n\r\n\r\n\r\n', want: [[400, 0]], open: true }
  yield {
    what: 'HTTP/1.1 without Host',
    bytes: `POST /in HTTP/1.1\r\nConnection: close\r\n${BODY}`,
    want: [[400]],
  }
  yield { what: 'two different Hosts', bytes: withHeaders('Host: other\r\n'), want: [[400, 202]] }
}

export function* headerFields(): Generator<Bytes> {
  for (let code = 0; code < 0x20; code++) {
    if (code === 0x09) continue
    const bytes = withHeaders(`X-A: b${String.fromCharCode(code)}c\r\n`)
    yield { what: `${hex(code)} in a value`, bytes, want: REFUSED, open: true }
  }
  yield { what: '0x7f in a value', bytes: withHeaders('X-A: b\u007fc\r\n'), want: REFUSED }
  for (let code = 0; code < 0x100; code++) {
    const char = String.fromCharCode(code)
    if (/[A-Za-z0-9!#$%&'*+.^_`|~:-]/.test(char)) continue
    yield {
      what: `${hex(code)} in a name`,
      bytes: latin1(withHeaders(`X${char}A: b\r\n`)),
      want: REFUSED,
      open: true,
    }
  }
  const bad = [
    'X-A\r\n',
    ': b\r\n',
    'X-A : b\r\n',
    'X-A\t: b\r\n',
    ' X-A: b\r\n',
    'X-A: b\r\n c\r\n',
    'X-A: b\r\n\tc\r\n',
    'X-A: b\n',
    'X-A: b\rX-B: c\r\n',
    'X-A: b\n\r\n',
  ]
  for (const header of bad)
    yield { what: `header ${JSON.stringify(header)}`, bytes: withHeaders(header), want: REFUSED, open: true }
  for (const header of [
    'X-A:\r\n',
    'X-A:b\r\n',
    'X-A: \t b \t\r\n',
    'X-A: é\r\n',
    'x-a: 1\r\nX-A: 2\r\n',
    `${'x'.repeat(1_000)}: y\r\n`,
  ])
    yield {
      what: `allowed header ${JSON.stringify(header.slice(0, 30))}`,
      bytes: withHeaders(header),
      want: TAKEN,
    }
  for (const [bytes, want] of [
    [8_000, 202],
    [15_000, 202],
    [17_000, 431],
    [100_000, 431],
    [1_000_000, 431],
  ] as const)
    yield {
      what: `a value of ${bytes} bytes`,
      bytes: withHeaders(`X-A: ${'b'.repeat(bytes)}\r\n`),
      want: [[want]],
    }
  for (const count of [50, 90])
    yield { what: `${count} headers`, bytes: withHeaders('X-A: b\r\n'.repeat(count)), want: TAKEN }
  for (const count of [500, 1_500, 2_001, 20_000])
    yield {
      what: `${count} headers`,
      bytes: withHeaders('X-A: b\r\n'.repeat(count)),
      want: [[202, 400, 431]],
    }
}
