import { ANSWERED, type Case, expect, REFUSED, type Told } from '../case.ts'
import { NAUGHTY } from '../strings.ts'
import { TappetError } from '../../../src/errors.ts'
import { type Duration, toMs } from '../../../src/lib/duration.ts'
import { parseCron } from '../../../src/triggers/cron/next.ts'
import { checkTrigger } from '../../../src/triggers/http/check.ts'
import { parseTableName } from '../../../src/triggers/postgres/table-name.ts'
import { queueNameProblem } from '../../../src/triggers/queue/normalize.ts'
import { compilePattern } from '../../../src/triggers/upload/pattern.ts'
import { declared } from '../../support/http-trigger.ts'

/** What authors write is read by the broker itself: in its own process, so nothing may hold it up. */
const MAX_MS = 50
const TRIES = 8

/** A reader answers null, or what is wrong in a sentence. */
type Reader = (text: string) => string | null

const throwing =
  (read: (text: string) => unknown): Reader =>
  (text) => {
    try {
      read(text)
      return null
    } catch (error) {
      expect(
        error instanceof RangeError || error instanceof TappetError,
        `expected an error of ours, got ${String(error)}`,
      )
      return error.message
    }
  }

const FROM = new Date('2026-03-01T00:00:00Z')

const READERS: Readonly<Record<string, Reader>> = {
  cron: throwing((text) => parseCron(text, 'Etc/UTC').after(FROM)),
  zone: throwing((text) => parseCron('30 2 * * *', text).after(FROM)),
  duration: throwing((text) => toMs(text as Duration)),
  pattern: throwing((text) => {
    const compiled = compilePattern(text)
    for (const key of KEYS) compiled.match(key)
  }),
  route: (text) => checkTrigger(declared('post', '/x', {}, { path: text })),
  table: (text) => {
    const name = parseTableName(text)
    return typeof name === 'string' ? name : null
  },
  queue: queueNameProblem,
}

const long = (piece: string, bytes = 10_000): string => piece.repeat(Math.ceil(bytes / piece.length))
const KEYS = ['a'.repeat(500), `${'a'.repeat(499)}b`, `${'a/'.repeat(200)}b`, 'ab'.repeat(250)]

const TEXTS: Readonly<Record<string, readonly string[]>> = {
  cron: [
    ...[
      '*',
      '* * *',
      '* * * *',
      '* * * * * * *',
      '*/0 * * * *',
      '*/-1 * * * *',
      '60 * * * *',
      '* 24 * * *',
      '* * 0 * *',
    ],
    ...[
      '* * 32 * *',
      '* * * 13 *',
      '* * * 0 *',
      '* * * * 8',
      '0 0 30 2 *',
      '0 0 31 4,6,9,11 *',
      '5-1 * * * *',
      '1,,2 * * * *',
    ],
    ...[
      '1- * * * *',
      '-1 * * * *',
      '*/ * * * *',
      '1/2/3 * * * *',
      '? * * * *',
      'L * * * *',
      '* * L * *',
      '* * 15W * *',
    ],
    ...[
      '* * * * 5#6',
      '@daily',
      '@never',
      '@reboot',
      '@every 5s',
      'MON * * * *',
      '* * * * MONDAY',
      '* * * JANUARY *',
    ],
    ...[
      '1.5 * * * *',
      '0x1 * * * *',
      '٣ * * * *',
      '* * * * *\u0000',
      '\u00a0* * * * *',
      '*\t*\t*\t*\t*',
      ' * * * * * ',
      '*\n* * * *',
    ],
    ...[
      long('1,'),
      long('*/2,'),
      `${long('0-59,', 4_000)}1 * * * *`,
      long('* '),
      long('*'),
      '0 0 29 2 1',
      '59 59 23 31 12 5',
    ],
  ],
  zone: [
    ...[
      '',
      'UTC',
      'utc',
      'Europe/Berlin',
      'europe/berlin',
      'Europe/Nowhere',
      'CET',
      'GMT+25',
      'Etc/GMT-15',
      '+02:00',
      '+99:99',
    ],
    ...[
      '../../etc/passwd',
      'Europe',
      'Europe/',
      '/Europe',
      'Local',
      'localtime',
      'posix/Europe/Berlin',
      'US/Pacific-New',
      'Z',
    ],
    ...[
      long('Europe/'),
      'Antarctica/Troll',
      'Australia/Lord_Howe',
      'America/Havana',
      '\u0000',
      'UTC\u0000',
      'EST5EDT,M3.2.0,M11.1.0',
    ],
  ],
  duration: [
    ...[
      '',
      's',
      '1',
      '1 s',
      '1S',
      '-1s',
      '+1s',
      '1e3s',
      '0x1s',
      '1.s',
      '.5s',
      '1.2.3s',
      '1s1s',
      '1w',
      '1y',
      '1month',
      'Infinitys',
    ],
    ...[
      'NaNs',
      '1s\n',
      ' 1s',
      '1s ',
      '٣s',
      '1\u0000s',
      long('1'),
      `${long('9')}d`,
      '999999999999d',
      '0s',
      '0ms',
      '0.0000001s',
    ],
  ],
  pattern: [
    ...[
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      '../a',
      'a/../b',
      './a',
      '**',
      '***',
      '**/a',
      'a/**/b',
      'a**',
      ':',
      ':1',
      ':a:b',
    ],
    ...[
      'a:b',
      ':a/:a',
      ':__proto__',
      ':constructor',
      '{a}',
      '[a]',
      '(a|b)',
      'a?',
      '!a',
      '~/a',
      'C:\\a',
      'a\\b',
      '\u0000',
      'a\nb',
    ],
    ...[
      '*'.repeat(100),
      'a*'.repeat(200),
      '*a'.repeat(100),
      '*/'.repeat(100),
      long(':a/'),
      'a'.repeat(513),
      'é'.repeat(256),
      'é'.repeat(257),
    ],
    ...['e\u0301/*', '%2e%2e/a', '*.jpg', '*.*', '*a*b*c*d*e*f*', '(a+)+$', '(.*)*', '\\1'],
  ],
  route: [
    ...[
      '',
      'a',
      '//',
      '//a',
      '/a//b',
      '/a/',
      '/:',
      '/:1',
      '/:a:b',
      '/:a/:a',
      '/*',
      '/*/a',
      '/a*',
      '/**',
      '/:a(\\d+)',
      '/:a(.*)*',
    ],
    ...[
      '/:a((a+)+)',
      '/:a?',
      '/?a=b',
      '/#a',
      '/ a',
      '/a b',
      '/%',
      '/%2',
      '/%zz',
      '/%2e%2e',
      '/..',
      '/.',
      '/a/../b',
      '/\u0000',
      '/\n',
    ],
    ...[
      '/_tappet',
      '/_tappet/x',
      '/%5ftappet/x',
      '/metrics',
      '/healthz',
      '/readyz',
      '/2015-03-31/functions/x',
      '/é',
      '/😀',
      '/%C3%A9',
    ],
    ...[
      `/${'a'.repeat(511)}`,
      `/${'a'.repeat(512)}`,
      '/:a/'.repeat(100),
      '/:__proto__',
      '/:constructor',
      'http://x/a',
      '/a\\b',
      '/{a}',
    ],
  ],
  table: [
    ...[
      '',
      '.',
      'a.',
      '.a',
      'a.b.c',
      '"a',
      'a"',
      '"a"b',
      '""',
      '"".a',
      '"a"."b"',
      '"a""b"',
      'a"b',
      'a b',
      'A',
      '"A"',
      'a;drop table b',
    ],
    ...[
      "a'b",
      'a--b',
      '/*a*/',
      '$$',
      '$1',
      '%I',
      'pg_class',
      'pg_catalog.pg_class',
      'select',
      'a\u0000b',
      '"a\u0000b"',
      '\u0000',
    ],
    ...[
      'x'.repeat(63),
      'x'.repeat(64),
      'é'.repeat(31),
      'é'.repeat(32),
      `"${'x'.repeat(63)}"`,
      `"${'x'.repeat(64)}"`,
      long('a.'),
      long('"'),
      long('""'),
    ],
  ],
  queue: [
    ...[
      '',
      ' ',
      'a b',
      'a\tb',
      'a\n',
      '\u0000',
      '\u200b',
      '\u202e',
      ':',
      '*',
      '{a}',
      'a'.repeat(200),
      'a'.repeat(201),
      '😀'.repeat(100),
    ],
  ],
}

/** Told apart: taken, or refused in one sentence that is short whatever came. */
function read(reader: Reader, text: string): Told {
  let quickestMs = Infinity
  let said: string | null = null
  for (let i = 0; i < TRIES && quickestMs > MAX_MS; i++) {
    const started = performance.now()
    said = reader(text)
    quickestMs = Math.min(quickestMs, performance.now() - started)
  }
  expect(quickestMs <= MAX_MS, `it took ${Math.round(quickestMs)} ms`)
  if (said === null) return ANSWERED
  expect(said.length <= 1_200, `expected a short message, got ${said.length} characters`)
  expect(/must|expected|at most|has|needs|no |not /.test(said), `expected what was expected, got ${said}`)
  return REFUSED
}

export const DECLARATIONS: readonly Case[] = Object.entries(READERS).flatMap(([name, reader]) =>
  [...new Set([...(TEXTS[name] ?? []), ...NAUGHTY])].map((text, i) => ({
    id: `declarations/${name} ${i}`,
    run: async () => read(reader, text),
  })),
)
