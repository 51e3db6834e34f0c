import type { Stacks } from '../stacks/stacks.ts'

/** Programs in other languages name places as their authors know them. */
export const PLAIN_STACKS: Stacks = {
  mentions: () => false,
  text: async (text) => text,
  line: async (line) => line,
  failure: async (failure) => failure,
}
