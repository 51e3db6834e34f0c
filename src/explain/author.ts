import type { Explanation } from './explanation.ts'

/** Errors that whoever wrote the function can correct. */
export const AUTHOR = {
  TPT_FUNCTION_INVALID: {
    causes: [
      'A file in `functions/` declares something that cannot be: an unknown option, a cron expression that never comes, two functions on one route.',
      'The default export of the file is no function.',
    ],
    remedies: [
      'Correct the option that is named; the message says what was expected and what came.',
      '`npx tappet functions` shows what is served, and what is not and why.',
    ],
    retry:
      'Not before the file is changed. Other functions are served meanwhile; events for this one wait or are refused at their source.',
  },
  TPT_FUNCTION_NOT_FOUND: {
    causes: [
      'The function was removed or renamed, and something still asks for it: a run, a command, an SDK of Lambda.',
      'The process that was asked runs another version of the code, as during a deploy.',
    ],
    remedies: [
      'List what there is with `npx tappet functions`; the message names one that is nearly the same.',
      'Bring a removed function back, under its old path, until its runs are over.',
    ],
    retry: 'Yes, during a deploy: a process with the function may come.',
  },
  TPT_TIMEOUT: {
    causes: [
      'The function gave no result within its `timeout`. Its process was killed, if it did not stop by itself.',
    ],
    remedies: [
      'Pass `ctx.signal` on to what takes time, such as `fetch`, so that it ends in time.',
      'Raise `timeout`, or do less in one run: send the rest on with `ctx.send`.',
      'Give calls over the network a shorter time-out of their own.',
    ],
    retry:
      'Yes, it is tried again as `retry` says: what it waited for may answer by then. It uses an attempt.',
  },
  TPT_FUNCTION_FAILED: {
    causes: [
      'The function threw something; its name, message and stack are with the attempt.',
      'A server or script behind a function ended without an answer, or with an exit code that says it failed.',
    ],
    remedies: [
      'Read the attempt: `npx tappet runs show <id>`, or the page of the run in the dashboard.',
      'Correct the function and replay the run: `npx tappet replay <id>`.',
      'Throw `FatalError` where trying again cannot help, `RetryAfterError` where it must wait.',
    ],
    retry: 'Yes, it is tried again as `retry` says. A `FatalError` is a dead letter at once.',
  },
  TPT_FUNCTION_CRASHED: {
    causes: [
      'The process of the function ended while the run was in it: `process.exit()`, an error that nobody caught, a signal, a fault in native code.',
    ],
    remedies: [
      "Read the run's log for what the process said last.",
      'Await every promise, and listen to `error` of streams and sockets.',
    ],
    retry:
      'Yes, in a new process. A run that ends its process three times by itself is a dead letter, however many attempts it has left.',
  },
  TPT_OUT_OF_MEMORY: {
    causes: ['The process of the function took more memory than `memory` allows.'],
    remedies: [
      'Hold less at once: read files and rows as streams.',
      'Raise `memory`, or lower `instanceConcurrency`: calls in one process share it.',
      '`npx tappet usage` shows how much functions take.',
    ],
    retry:
      'Yes, in a new process; but the same data mostly takes the same memory. Three times by itself, and it is a dead letter.',
  },
  TPT_TOO_MANY_PROCESSES: {
    causes: [
      'A call, or calls beside each other in one process, had started more processes than `maxProcesses` allows.',
    ],
    remedies: [
      'Wait for children before you start more.',
      'Raise `maxProcesses`, or lower `instanceConcurrency`: calls in one process share it.',
    ],
    retry: 'Yes, in a new process. Three times by itself, and it is a dead letter.',
  },
  TPT_FUNCTION_LOAD: {
    causes: [
      'The file threw while it was imported, or its process ended then.',
      'A package that it imports is not installed, or a variable that it reads at once is not set.',
      'The server behind a function did not open its port.',
      'Its process took more than ten seconds to start and to import the file: what a timeout does not count.',
    ],
    remedies: ['Run the file by itself, or read the stack.', 'Name the variables that it needs in `env`.'],
    retry: 'Yes: what it lacks may be there later. Mostly it is not, before somebody corrects it.',
  },
  TPT_RESULT_INVALID: {
    causes: [
      'The function returned what JSON cannot hold: a cycle, a BigInt, a function; or more than the largest result.',
      'A program in another language answered with something that is no result.',
    ],
    remedies: [
      'Return plain data, and an id or key instead of what is large.',
      'Return nothing, if nobody reads it.',
    ],
    retry: 'No: what the function does has been done, so it is not done again. The run is a dead letter.',
  },
} as const satisfies Readonly<Record<string, Explanation>>
