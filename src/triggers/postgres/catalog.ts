import type { ClientBase } from 'pg'
import { parseTableName } from './table-name.ts'

/** A relation as the catalog has it. */
export interface Relation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** `pg_class.relkind`: r table, p partitioned, v view, m materialized view, f foreign. */
  readonly kind: string
  readonly columns: readonly Column[]
  /** Of the primary key, in its order. */
  readonly key: readonly string[]
}

export interface Column {
  readonly name: string
  /** Its type has no equality that means "the same value": compare it as text. */
  readonly asText: boolean
}

export interface InstalledTrigger {
  readonly name: string
  readonly relation: number
  readonly schema: string
  readonly table: string
  readonly enabled: boolean
}

/** `json` has no `=`, that of boxes compares areas. Domains and arrays go by what they are made of. */
const COLUMNS = `
  select coalesce(json_agg(json_build_object('name', a.attname,
      'asText', e.typcategory = 'G' or e.typname in ('json', 'xml')) order by a.attnum), '[]')
  from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    join pg_type b on b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
    join pg_type e on e.oid = case when b.typcategory = 'A' and b.typelem <> 0 then b.typelem else b.oid end
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped`

const KEY = `
  select coalesce(json_agg(a.attname order by k.place), '[]')
  from pg_index i cross join unnest(i.indkey) with ordinality k(attnum, place)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = c.oid and i.indisprimary and k.place <= i.indnkeyatts`

/** Names without a schema go by the connection's search_path. */
const RELATIONS = `
  select wanted.declared, found.*
  from json_to_recordset($1) as wanted(declared text, schemas text[], tables text[])
    cross join lateral (
      select c.oid::int8::text as oid, n.nspname as schema, c.relname as name, c.relkind as kind,
        (${COLUMNS}) as columns, (${KEY}) as key
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relname = any (wanted.tables::name[]) and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and n.nspname = any (coalesce(wanted.schemas::name[], current_schemas(false)))
      order by array_position(coalesce(wanted.schemas::name[], current_schemas(false)), n.nspname),
        array_position(wanted.tables::name[], c.relname)
      limit 1
    ) found`

const INSTALLED = `
  select t.tgname as name, t.tgrelid::int8::text as relation, n.nspname as schema, c.relname as "table",
    t.tgenabled <> 'D' as enabled
  from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
  where t.tgparentid = 0 and starts_with(t.tgname::text, $1)
    and t.tgfoid = to_regproc('tappet.capture')::oid
  order by n.nspname, c.relname, t.tgname`

/** What declared tables are; those that are no names, or do not exist, are left out. */
export async function findRelations(
  client: ClientBase,
  declared: readonly string[],
): Promise<ReadonlyMap<string, Relation>> {
  const wanted = declared.flatMap((table) => {
    const name = parseTableName(table)
    return typeof name === 'string' ? [] : [{ declared: table, ...name }]
  })
  if (wanted.length === 0) return new Map()
  type Row = Omit<Relation, 'oid'> & { readonly declared: string; readonly oid: string }
  const { rows } = await client.query<Row>(RELATIONS, [JSON.stringify(wanted)])
  return new Map(rows.map(({ declared: table, oid, ...rest }) => [table, { ...rest, oid: Number(oid) }]))
}

/** Triggers whose names begin with a prefix; of a partitioned table only its own, not their copies on partitions. */
export async function findTriggers(client: ClientBase, prefix: string): Promise<readonly InstalledTrigger[]> {
  type Row = Omit<InstalledTrigger, 'relation'> & { readonly relation: string }
  const { rows } = await client.query<Row>(INSTALLED, [prefix])
  return rows.map((row) => ({ ...row, relation: Number(row.relation) }))
}
