import type { Case } from './case.ts'
import { NAMES } from './classes/names.ts'

export interface CaseClass {
  readonly name: string
  readonly cases: readonly Case[]
}

export const CLASSES: readonly CaseClass[] = [{ name: 'names', cases: NAMES }]
