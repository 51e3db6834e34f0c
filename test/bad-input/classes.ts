import type { Case } from './case.ts'
import { AUTH } from './classes/auth.ts'
import { CONTENT } from './classes/content.ts'
import { FRAMING } from './classes/framing.ts'
import { GITHUB } from './classes/github.ts'
import { JSON_CASES } from './classes/json.ts'
import { NAMES } from './classes/names.ts'
import { RESULTS } from './classes/results.ts'
import { SIGNATURES } from './classes/signatures.ts'

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
]
