import { useSignal } from '@preact/signals'
import { get } from '../api.ts'
import { useLoaded } from '../live.ts'
import { bytes } from '../text.ts'
import { discard } from '../tus.ts'
import type { Func } from '../types.ts'
import { Action, Answer, Empty, Id, Page, Time } from '../ui/parts.tsx'
import { Preview, previewOf, type StoredFile } from '../ui/preview.tsx'
import { Share, type Unfinished, UploadHere } from '../ui/upload-here.tsx'

export function Uploads() {
  const prefix = useSignal('')
  const files = useLoaded(() =>
    get<{ readonly files: readonly StoredFile[] }>('/uploads', { prefix: prefix.value, limit: 100 }),
  )
  const unfinished = useLoaded(() => get<{ readonly uploads: readonly Unfinished[] }>('/uploads/unfinished'))
  const functions = useLoaded(() => get<{ readonly functions: readonly Func[] }>('/functions'), 30_000)
  const again = (): void => {
    files.again()
    unfinished.again()
  }
  return (
    <Page title="Uploads">
      <UploadHere
        functions={functions.value.value?.functions ?? []}
        unfinished={unfinished.value.value?.uploads ?? []}
        onChange={again}
      />
      <Answer of={unfinished}>
        {({ uploads }) => (uploads.length === 0 ? null : <InProgress uploads={uploads} again={again} />)}
      </Answer>
      <h2>Stored</h2>
      <div class="filter">
        <input
          aria-label="Keys that begin with"
          placeholder="keys that begin with …"
          value={prefix.value}
          onInput={(change) => (prefix.value = change.currentTarget.value)}
        />
      </div>
      <Answer of={files}>
        {({ files: all }) =>
          all.length === 0 ? (
            <Empty>No file is stored{prefix.value !== '' && ' under such a key'}.</Empty>
          ) : (
            <Stored files={all} />
          )
        }
      </Answer>
    </Page>
  )
}

interface InProgressProps {
  readonly uploads: readonly Unfinished[]
  readonly again: () => void
}

function InProgress({ uploads, again }: InProgressProps) {
  const drop = (id: string) => async (): Promise<string> => {
    await discard(id)
    again()
    return 'discarded'
  }
  return (
    <section>
      <h2>In progress</h2>
      <table class="rows">
        <thead>
          <tr>
            <th>Key</th>
            <th>Has come</th>
            <th>Last bytes</th>
            <th>Can be resumed</th>
            <th>Discard</th>
          </tr>
        </thead>
        <tbody>
          {uploads.map(({ id, key, offset, length, resumable, touchedAt }) => (
            <tr key={id}>
              <td data-label="Key">{key}</td>
              <td data-label="Has come">
                <Share label={`Of ${key}`} offset={offset} length={length} />
              </td>
              <td data-label="Last bytes">
                <Time at={touchedAt} />
              </td>
              <td data-label="Can be resumed">
                {resumable ? '✔ within 24 h' : '– with its connection only'}
              </td>
              <td data-label="Discard">
                {resumable && (
                  <Action
                    label="Discard"
                    kind="danger"
                    sure={`Discard what has come of ${key}?`}
                    run={drop(id)}
                  />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Stored({ files }: { readonly files: readonly StoredFile[] }) {
  const open = useSignal<string | null>(null)
  return (
    <table class="rows">
      <thead>
        <tr>
          <th>Key</th>
          <th class="num">Size</th>
          <th>Type, told from the content</th>
          <th>SHA-256</th>
          <th>Stored</th>
          <th>Preview</th>
        </tr>
      </thead>
      <tbody>
        {files.flatMap((file) => [
          <tr key={file.id}>
            <td data-label="Key">{file.key}</td>
            <td data-label="Size" class="num">
              {bytes(file.size)}
            </td>
            <td data-label="Type">{file.contentType}</td>
            <td data-label="SHA-256">
              <Id id={file.sha256} />
            </td>
            <td data-label="Stored">
              <Time at={file.createdAt} />
            </td>
            <td data-label="Preview">
              {previewOf(file) === null ? (
                '–'
              ) : (
                <button
                  type="button"
                  aria-expanded={open.value === file.id}
                  onClick={() => (open.value = open.value === file.id ? null : file.id)}
                >
                  {open.value === file.id ? 'Hide' : 'Show'}
                </button>
              )}
            </td>
          </tr>,
          ...(open.value === file.id
            ? [
                <tr key={`${file.id} preview`}>
                  <td colSpan={6}>
                    <Preview file={file} />
                  </td>
                </tr>,
              ]
            : []),
        ])}
      </tbody>
    </table>
  )
}
