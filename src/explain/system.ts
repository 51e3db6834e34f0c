import type { Explanation } from './explanation.ts'

/** Errors of the moment, that nobody has to correct, and those of Tappet itself. */
export const SYSTEM = {
  TPT_OVERLOADED: {
    causes: [
      'The bodies of requests under way would take more than 256 MiB in this process.',
      '200 streams of the dashboard are open in it.',
      'All processes of a web handler had as many requests as they take, for ten seconds.',
      'A thousand answered requests of web handlers wait to be written down.',
    ],
    remedies: [
      'Send again after `Retry-After`; senders of webhooks do.',
      'Run more processes with the role `http`, or raise `maxInstances` of the function.',
    ],
    retry: 'Yes. Nothing was stored.',
  },
  TPT_UNAVAILABLE: {
    causes: [
      'Postgres or Redis does not answer, or does not let us in.',
      'The process is only starting.',
      'The command line finds no server, or something else answers there.',
    ],
    remedies: [
      '`npx tappet doctor` says which it is.',
      '`/readyz` tells load balancers to look elsewhere meanwhile.',
    ],
    retry:
      'Yes. What was not acknowledged was perhaps not stored: send it again under the same id or `Idempotency-Key`, and it counts once.',
  },
  TPT_SHUTDOWN: {
    causes: ['The process was told to stop, and takes nothing more.'],
    remedies: ['Nothing, where several processes run: another takes it.'],
    retry: 'Yes, at once. A run that was under way goes on elsewhere, and has not used an attempt.',
  },
  TPT_INSTANCE_LOST: {
    causes: [
      'The process of the function was stopped or lost from outside, or another call in it made it hang.',
    ],
    remedies: ['Nothing, unless it comes often: then look at the memory of the machine.'],
    retry: 'Yes, by itself, without using an attempt.',
  },
  TPT_LEASE_LOST: {
    causes: ['The run was cancelled, or its worker was silent for so long that another has taken it over.'],
    remedies: [
      'Nothing, unless it comes often: then the process, the machine or the line to Postgres stands still for seconds.',
    ],
    retry: 'Another worker has the run already. What the first still finishes is refused.',
  },
  TPT_INTERNAL: {
    causes: [
      'Something failed in Tappet that has no code of its own. What it was is in the log of the process, not in the answer.',
    ],
    remedies: ['Please report it, with the log around it.'],
    retry: 'Perhaps. Under the same id or `Idempotency-Key` it does no harm.',
  },
} as const satisfies Readonly<Record<string, Explanation>>
