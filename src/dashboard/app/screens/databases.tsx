import { get } from '../api.ts'
import { useLoaded } from '../live.ts'
import { link } from '../router.ts'
import { length, number } from '../text.ts'
import { Answer, Empty, Page } from '../ui/parts.tsx'

interface Database {
  readonly database: string | null
  readonly tables: readonly {
    readonly table: string
    readonly functions: readonly { readonly functionId: string; readonly label: string }[]
  }[]
  readonly changes: readonly string[]
  readonly problems: readonly { readonly functionId: string; readonly message: string }[]
  readonly error: string | null
  readonly outbox: {
    readonly rows: number
    readonly oldestMs: number
    readonly leader: boolean
    readonly reconnects: number
  } | null
}

/** The server looks no more often: each look takes a connection. */
const EVERY_MS = 10_000

export function Databases() {
  const found = useLoaded(() => get<{ readonly databases: readonly Database[] }>('/databases'), EVERY_MS)
  return (
    <Page title="Databases">
      <Answer of={found}>
        {({ databases }) => databases.map((one) => <One key={one.database} database={one} />)}
      </Answer>
    </Page>
  )
}

function One({
  database: { database, tables, changes, problems, error, outbox },
}: {
  readonly database: Database
}) {
  return (
    <section>
      <h2>{database ?? 'DATABASE_URL, with the ledger'}</h2>
      {error !== null && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      {tables.length === 0 ? (
        <Empty>No function is bound to a table here.</Empty>
      ) : (
        <table class="rows">
          <thead>
            <tr>
              <th>Table</th>
              <th>Functions</th>
            </tr>
          </thead>
          <tbody>
            {tables.map(({ table, functions }) => (
              <tr key={table}>
                <td data-label="Table">
                  <code>{table}</code>
                </td>
                <td data-label="Functions">
                  {functions.map(({ functionId, label }) => (
                    <div key={`${functionId} ${label}`}>
                      → <a href={link(['functions', functionId])}>{functionId}</a> <small>{label}</small>
                    </div>
                  ))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Drift changes={changes} problems={problems} />
      {outbox && (
        <p>
          Outbox: {number(outbox.rows)} wait{outbox.rows > 0 && `, the oldest for ${length(outbox.oldestMs)}`}
          ; {outbox.leader ? 'this process takes them' : 'another process takes them'}.
        </p>
      )}
    </section>
  )
}

function Drift({ changes, problems }: Pick<Database, 'changes' | 'problems'>) {
  if (changes.length + problems.length === 0) return <p class="well">✔ Installed as declared.</p>
  return (
    <ul class="checks">
      {changes.map((line) => (
        <li key={line}>
          <code>{line}</code>
        </li>
      ))}
      {problems.map(({ functionId, message }) => (
        <li key={functionId + message}>
          ✖ <b>{functionId}</b> {message}
        </li>
      ))}
      {changes.length > 0 && (
        <li>
          <small>→ npx tappet db apply</small>
        </li>
      )}
    </ul>
  )
}
