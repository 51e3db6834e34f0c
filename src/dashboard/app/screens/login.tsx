import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { key, Refusal, signIn, signOut } from '../api.ts'
import { ErrorNote } from '../ui/parts.tsx'

/** By a key, or by the one-time link that `tappet dev` prints: `#login=<token>`. */
export function Login() {
  const text = useSignal('')
  const error = useSignal<Error | null>(null)
  const enter = async (value: string): Promise<void> => {
    error.value = null
    const response = await fetch('api/v1/status', { headers: { authorization: `Bearer ${value}` } })
    if (response.ok) return signIn(value)
    const answer = (await response.json().catch(() => ({}))) as {
      error?: { code: string; message: string; hint: string }
    }
    const { code = '', message = 'This key is not known.', hint = '' } = answer.error ?? {}
    error.value = new Refusal(response.status, code, message, hint)
    signOut()
  }
  useEffect(() => {
    const token = /^#login=([\w-]+)$/.exec(location.hash)?.[1]
    if (token === undefined || key.value !== null) return
    location.replace('#/')
    void exchange(token).then(signIn, (reason: unknown) => (error.value = reason as Error))
  }, [])
  return (
    <main id="main" class="login">
      <h1>Tappet</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void enter(text.value.trim())
        }}
      >
        <label>
          Key
          <input
            type="password"
            autocomplete="current-password"
            value={text.value}
            onInput={(change) => (text.value = change.currentTarget.value)}
          />
        </label>
        <button type="submit">Sign in</button>
      </form>
      {error.value !== null && <ErrorNote error={error.value} />}
      <p>
        The first key is in <code>.tappet/admin.key</code>; <code>npx tappet keys create</code> makes more.
      </p>
    </main>
  )
}

async function exchange(token: string): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch('login', { method: 'POST', headers, body: JSON.stringify({ token }) })
  if (!response.ok)
    throw new Error('This link has been used, or is too old: start again, or sign in with a key.')
  return ((await response.json()) as { readonly key: string }).key
}
