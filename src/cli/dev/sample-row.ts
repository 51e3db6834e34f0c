import { runSql } from '../../store/postgres/console.ts'

interface Column {
  readonly name: string
  readonly type: string
}

const NEEDED = `
  select column_name, data_type from information_schema.columns
   where table_schema = '<schema>' and table_name = '<table>'
     and is_nullable = 'NO' and column_default is null and is_identity = 'NO' and is_generated = 'NEVER'
   order by ordinal_position`

/** An INSERT with a value for every column that needs one; null when the table is not there or a type is not simple. */
export async function sampleInsert(databaseUrl: string, declared: string): Promise<string | null> {
  if (!/^[a-z_]\w*(\.[a-z_]\w*)?$/.test(declared)) return null
  const [table = declared, schema = 'public'] = declared.split('.').toReversed()
  const exists = `select to_regclass('${schema}.${table}') is not null`
  const columns = NEEDED.replace('<schema>', schema).replace('<table>', table)
  const [found, needed] = await runSql(databaseUrl, `${exists}; ${columns}`)
  if (found?.rows[0]?.[0] !== true) return null
  return insertOf(
    declared,
    (needed?.rows ?? []).map(([name, type]) => ({ name: String(name), type: String(type) })),
  )
}

export function insertOf(table: string, columns: readonly Column[]): string | null {
  if (columns.length === 0) return `insert into ${table} default values`
  const values = columns.map(sampleValue)
  if (values.includes(null) || columns.some(({ name }) => !/^[a-z_]\w*$/.test(name))) return null
  return `insert into ${table} (${columns.map(({ name }) => name).join(', ')}) values (${values.join(', ')})`
}

function sampleValue({ name, type }: Column): string | null {
  if (type === 'uuid') return 'gen_random_uuid()'
  if (type === 'boolean') return 'true'
  if (/^(text|character)/.test(type)) return /mail/.test(name) ? `'a@b.co'` : `'sample'`
  if (/^(small|big)?int|numeric|real|double/.test(type)) return '42'
  if (/^(timestamp|date)/.test(type)) return 'now()'
  return /^jsonb?$/.test(type) ? `'{}'` : null
}
