import { useSignal } from '@preact/signals'
import { get } from '../api.ts'
import { useLoaded } from '../live.ts'
import { link } from '../router.ts'
import { bytes } from '../text.ts'
import { Answer, Empty, Id, Page, Time } from '../ui/parts.tsx'

interface StoredFile {
  readonly id: string
  readonly key: string
  readonly size: number
  readonly contentType: string
  readonly sha256: string
  readonly createdAt: string
}

export function Uploads() {
  const prefix = useSignal('')
  const files = useLoaded(() =>
    get<{ readonly files: readonly StoredFile[] }>('/uploads', { prefix: prefix.value, limit: 100 }),
  )
  return (
    <Page title="Uploads" actions={<a href={link(['send'])}>Upload a file</a>}>
      <label>
        Keys that begin with
        <input value={prefix.value} onInput={(change) => (prefix.value = change.currentTarget.value)} />
      </label>
      <Answer of={files}>
        {({ files: all }) =>
          all.length === 0 ? (
            <Empty>No file is stored.</Empty>
          ) : (
            <table class="rows">
              <thead>
                <tr>
                  <th>Key</th>
                  <th>Size</th>
                  <th>Type, told from the content</th>
                  <th>SHA-256</th>
                  <th>Stored</th>
                </tr>
              </thead>
              <tbody>
                {all.map(({ id, key, size, contentType, sha256, createdAt }) => (
                  <tr key={id}>
                    <td data-label="Key">{key}</td>
                    <td data-label="Size">{bytes(size)}</td>
                    <td data-label="Type">{contentType}</td>
                    <td data-label="SHA-256">
                      <Id id={sha256} />
                    </td>
                    <td data-label="Stored">
                      <Time at={createdAt} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Answer>
    </Page>
  )
}
