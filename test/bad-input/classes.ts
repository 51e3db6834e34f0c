import type { Case } from './case.ts'
import { CONTENT } from './classes/content.ts'
import { FRAMING } from './classes/framing.ts'
import { JSON_CASES } from './classes/json.ts'
import { NAMES } from './classes/names.ts'

export interface CaseClass {
  readonly name: string
  readonly cases: readonly Case[]
}

export const CLASSES: readonly CaseClass[] = [
  { name: 'framing', cases: FRAMING },
  { name: 'content', cases: CONTENT },
  { name: 'json', cases: JSON_CASES },
  { name: 'names', cases: NAMES },
]
