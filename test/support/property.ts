import type { Parameters } from 'fast-check'

/**
 * How many random cases a property gets: 500 with each commit, more by `npm run properties -- --runs 10000`. The seed is
 * fixed unless it is given, so that a commit never fails for another's reason.
 */
export const RUNS = Number(process.env.TAPPET_PROPERTY_RUNS ?? 500)
const SEED = Number(process.env.TAPPET_PROPERTY_SEED ?? 20_261_126)

/** @param share for properties of which one case is dear: 0.1 runs a tenth of the cases. */
export function propertyRuns<T>(share = 1): Parameters<T> {
  return { numRuns: Math.max(1, Math.round(RUNS * share)), seed: SEED, includeErrorInReport: true }
}
