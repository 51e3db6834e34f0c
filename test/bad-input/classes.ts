import type { Case } from './case.ts'
import { AUTH } from './classes/auth.ts'
import { CONTENT } from './classes/content.ts'
import { FRAMING } from './classes/framing.ts'
import { GITHUB } from './classes/github.ts'
import { JSON_CASES } from './classes/json.ts'
import { NAMES } from './classes/names.ts'
import { RESULTS } from './classes/results.ts'
import { SIGNATURES } from './classes/signatures.ts'

import { CLOUDEVENTS } from './classes/cloudevents.ts'
import { DECLARATIONS } from './classes/declarations.ts'
import { FORMS } from './classes/forms.ts'
import { ROWS } from './classes/rows.ts'
import { SENDS } from './classes/sends.ts'
import { SLOW } from './classes/slow.ts'
import { TUS } from './classes/tus.ts'
export interface CaseClass {
  readonly name: string
  readonly cases: readonly Case[]
}

export const CLASSES: readonly CaseClass[] = [
  { name: 'framing', cases: FRAMING },
  { name: 'content', cases: CONTENT },
  { name: 'json', cases: JSON_CASES },
  { name: 'names', cases: NAMES },
  { name: 'auth', cases: AUTH },
  { name: 'signatures', cases: SIGNATURES },
  { name: 'github', cases: GITHUB },
  { name: 'results', cases: RESULTS },
  { name: 'cloudevents', cases: CLOUDEVENTS },
  { name: 'tus', cases: TUS },
  { name: 'forms', cases: FORMS },
  { name: 'rows', cases: ROWS },
  { name: 'sends', cases: SENDS },
  { name: 'declarations', cases: DECLARATIONS },
  { name: 'slow', cases: SLOW },
]
