import type { Signal } from '@preact/signals'
import { pretty } from '../text.ts'

/** As much of JSON Schema as a form shows. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly enum?: readonly unknown[]
  readonly format?: string
  readonly description?: string
  readonly minimum?: number
  readonly maximum?: number
}

type Values = Readonly<Record<string, unknown>>

interface Props {
  readonly schema: JsonSchema
  /** The same data as JSON text, which may be edited beside it. */
  readonly text: Signal<string>
}

/** A field for each property that one fits; what else there is stays to be written as JSON. */
export function SchemaForm({ schema: { properties = {}, required = [] }, text }: Props) {
  const values = parse(text.value)
  const fields = Object.entries(properties).filter(([, schema]) => kindOf(schema) !== null)
  if (fields.length === 0) return null
  if (values === null)
    return <p class="empty">The JSON below is not an object: the fields come back when it is.</p>
  const set = (name: string, value: unknown): void => {
    const { [name]: _, ...rest } = values
    text.value = pretty(value === undefined ? rest : { ...values, [name]: value })
  }
  return (
    <fieldset class="fields">
      <legend>Fields</legend>
      {fields.map(([name, schema]) => (
        <Field
          key={name}
          name={name}
          schema={schema}
          value={values[name]}
          required={required.includes(name)}
          set={(value) => set(name, value)}
        />
      ))}
    </fieldset>
  )
}

interface FieldProps {
  readonly name: string
  readonly schema: JsonSchema
  readonly value: unknown
  readonly required: boolean
  readonly set: (value: unknown) => void
}

function Field({ name, schema, value, required, set }: FieldProps) {
  const kind = kindOf(schema)
  const title = `${name}${required ? '' : ' (optional)'}`
  if (kind === 'boolean')
    return (
      <label title={schema.description}>
        <input
          type="checkbox"
          checked={value === true}
          onChange={(event) => set(event.currentTarget.checked)}
        />{' '}
        {title}
      </label>
    )
  return (
    <label title={schema.description}>
      {title}
      {kind === 'choice' ? (
        <Choice choices={schema.enum ?? []} value={value} required={required} set={set} />
      ) : (
        <Typed numeric={kind === 'number'} schema={schema} value={value} required={required} set={set} />
      )}
    </label>
  )
}

function Choice({
  choices,
  value,
  required,
  set,
}: Pick<FieldProps, 'value' | 'required' | 'set'> & { readonly choices: readonly unknown[] }) {
  return (
    <select
      value={String(choices.indexOf(value))}
      onChange={({ currentTarget: { value: index } }) => set(choices[Number(index)])}
    >
      {(!required || !choices.includes(value)) && <option value="-1">–</option>}
      {choices.map((choice, index) => (
        <option key={index} value={String(index)}>
          {String(choice)}
        </option>
      ))}
    </select>
  )
}

interface TypedProps extends Omit<FieldProps, 'name'> {
  readonly numeric: boolean
}

function Typed({ numeric, schema: { minimum, maximum }, value, required, set }: TypedProps) {
  const shown = typeof value === 'string' || typeof value === 'number' ? value : ''
  const read = (typed: string): void => {
    const none = typed === '' && (numeric || !required)
    set(none ? undefined : numeric ? Number(typed) : typed)
  }
  if (!numeric) return <input value={shown} onInput={(event) => read(event.currentTarget.value)} />
  return (
    <input
      type="number"
      step="any"
      min={minimum}
      max={maximum}
      value={shown}
      onInput={(event) => read(event.currentTarget.value)}
    />
  )
}

function kindOf({ type, enum: choices }: JsonSchema): 'text' | 'number' | 'boolean' | 'choice' | null {
  if (choices) return 'choice'
  if (type === 'string') return 'text'
  if (type === 'number' || type === 'integer') return 'number'
  return type === 'boolean' ? 'boolean' : null
}

function parse(text: string): Values | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Values) : null
  } catch {
    return null
  }
}
