import { helpIsOpen, KEYS } from '../keyboard.ts'

export function Help() {
  if (!helpIsOpen.value) return null
  return (
    <dialog open aria-label="Keys" class="help">
      <h2>Keys</h2>
      <dl>
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button" onClick={() => (helpIsOpen.value = false)}>
        Close
      </button>
    </dialog>
  )
}
