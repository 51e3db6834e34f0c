interface ChipsProps {
  readonly label: string
  readonly all: readonly (readonly [value: string, name: string])[]
  readonly now: string
  readonly onChoose: (value: string) => void
}

/** One of a few. */
export function Chips({ label, all, now, onChoose }: ChipsProps) {
  return (
    <div class="chips" role="group" aria-label={label}>
      {all.map(([value, name]) => (
        <button
          key={value}
          type="button"
          class="chip"
          aria-pressed={value === now}
          onClick={() => onChoose(value)}
        >
          {name}
        </button>
      ))}
    </div>
  )
}
