import { useSignal, useSignalEffect } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { place } from '../router.ts'

interface FilterProps {
  readonly value: string
  /** Filters that are one click away; the empty one is "all". */
  readonly chips: readonly string[]
  readonly onChange: (text: string) => void
}

/** The same words as on the command line. */
export function Filter({ value, chips, onChange }: FilterProps) {
  const text = useSignal(value)
  const input = useRef<HTMLInputElement>(null)
  useSignalEffect(() => {
    text.value = place.value.query.get('q') ?? ''
  })
  return (
    <form
      class="filter"
      role="search"
      onSubmit={(event) => {
        event.preventDefault()
        onChange(text.value.trim())
      }}
    >
      <input
        ref={input}
        id="filter"
        type="search"
        aria-label="Filter"
        placeholder={'status:failed function:mail/send since:24h error~"timeout" data.tenant:acme'}
        value={text.value}
        onInput={(event) => (text.value = event.currentTarget.value)}
      />
      <button type="submit">Filter</button>
      {chips.map((chip) => (
        <button
          key={chip}
          type="button"
          class="chip"
          aria-pressed={chip === value}
          onClick={() => onChange(chip)}
        >
          {chip === '' ? 'all' : chip}
        </button>
      ))}
    </form>
  )
}
