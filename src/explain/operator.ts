import type { Explanation } from './explanation.ts'

/** Errors that whoever runs Tappet can correct. */
export const OPERATOR = {
  TPT_PAUSED: {
    causes: ['Somebody has paused the function, and it is a web handler, whose caller cannot wait.'],
    remedies: [
      'Resume it: `tappet queues resume <function>`, or in the dashboard.',
      'Look in `tappet audit` for who paused it.',
    ],
    retry: 'Yes, when it is resumed. Nothing has run.',
  },
  TPT_CONFIG_INVALID: {
    causes: [
      'An environment variable or flag has a value that it cannot have; the message names it, what was expected and what came.',
      'A variable that a function asks for in `env`, or a database that it names, is not set.',
      'Postgres is older than 13.',
    ],
    remedies: [
      'Correct the variable that is named. A flag wins over the environment, that over `.env.local`, that over `.env`.',
      '`npx tappet doctor` checks all of it.',
    ],
    retry: 'Not before it is corrected; the process does not start, or the function is not served.',
  },
  TPT_FOLDER_READONLY: {
    causes: [
      'The state folder, `.tappet/` in the project, cannot be written: rights, or a file system that is read-only.',
    ],
    remedies: [
      'Make the folder writable for the user that runs Tappet.',
      'Choose another project folder with `--cwd`.',
    ],
    retry: 'Not before the folder can be written.',
  },
  TPT_ALREADY_RUNNING: {
    causes: [
      'Another process works in this folder: `dev`, or any process that uses the embedded Postgres, is alone in it.',
    ],
    remedies: [
      'Stop the process that the message names.',
      'With a `DATABASE_URL`, any number of `tappet start` share one folder.',
    ],
    retry: 'When the other has stopped. A lock of a process that is gone is taken over by itself.',
  },
  TPT_PORT_TAKEN: {
    causes: ['Another program listens on the port, or the port is one that only root may open.'],
    remedies: [
      'Choose another with `--port` or `PORT`; `0` takes any that is free.',
      'Look who has it: `ss -ltnp`.',
    ],
    retry: 'When the other program has ended.',
  },
  TPT_POSTGRES_EMBEDDED: {
    causes: [
      'The embedded Postgres did not start, or did not stop; the message quotes what it said.',
      'Its files were made by another major version.',
      'There is no embedded Postgres for this system.',
    ],
    remedies: [
      'Set `DATABASE_URL` to a Postgres of your own: 13 or newer.',
      'Read the log that is named.',
      'Move `.tappet/pg` away to begin with an empty one.',
    ],
    retry: 'Not by itself.',
  },
  TPT_MIGRATION_FAILED: {
    causes: ['A migration could not be applied, or a file was changed after it had been applied.'],
    remedies: [
      'Read the cause that is quoted: the migration was one transaction, and nothing of it has happened.',
      'Install the version again whose files were changed.',
    ],
    retry: 'Only if the cause goes away, such as a lock or a full disk.',
  },
  TPT_MIGRATION_PENDING: {
    causes: ['The database is not up to date, and the role of this process may not change that.'],
    remedies: [
      'Run `npx tappet migrate` with the URL of the role that may, before you start the new version.',
      '`npx tappet db grants` prints roles of least privilege, with one that installs.',
    ],
    retry: 'After `npx tappet migrate`.',
  },
  TPT_DURABILITY: {
    causes: [
      '`fsync`, `full_page_writes` or `synchronous_commit` of Postgres is off: it may lose what it has confirmed, so nothing could be promised.',
    ],
    remedies: ['Turn them on.', '`TAPPET_DURABILITY=fast` accepts it, for tests and for what may be lost.'],
    retry: 'Not before the setting is changed.',
  },
  TPT_SANDBOX_UNAVAILABLE: {
    causes: [
      "A function asks for `isolation: 'sandbox'`, or `TAPPET_ISOLATION` for all, and this machine cannot make one: no bubblewrap, or no user namespaces.",
    ],
    remedies: [
      'Install bubblewrap, and permit user namespaces: `npx tappet doctor` says what is missing.',
      'In containers, see [runtime.md](../runtime.md#sandboxes).',
    ],
    retry: 'Not before it is there: such a function is never run without its sandbox.',
  },
  TPT_OUTGOING_REFUSED: {
    causes: [
      'A URL that Tappet is to call, as of alerts, leads to a private address, to another protocol than HTTP, or by a redirect to one of these.',
    ],
    remedies: [
      'Name the host, with its port, in `TAPPET_ALERT_ALLOW_HOSTS`, if it is yours.',
      'Correct the URL.',
    ],
    retry: 'Not before it is allowed.',
  },
  TPT_OUTGOING_FAILED: {
    causes: ['Who was called did not answer in time, closed the connection, or answered with an error.'],
    remedies: [
      'Check that the other side answers from this machine.',
      '`npx tappet alerts test` tries it now and shows the answer.',
    ],
    retry:
      'Yes. Alerts are sent again after 10 s and then twice as long each time, for a day; runs as `retry` says.',
  },
  TPT_STORAGE_FULL: {
    causes: ['There is no space left, or no quota, where uploads are stored.'],
    remedies: [
      'Free some space under `.tappet/uploads`, or give it a larger disk.',
      'Look at what is in progress on the page *Uploads* of the dashboard.',
    ],
    retry: 'Yes, once there is space. Nothing that had been acknowledged is touched.',
  },
  TPT_RUN_LOST_TOO_OFTEN: {
    causes: [
      'Ten times, a worker or process was lost while this run was on it. That uses no attempts, so it is stopped here.',
    ],
    remedies: [
      'Look why workers die: memory of the machine or container, its orchestrator, a run that takes all of it.',
      'Then replay the run: `npx tappet replay <id>`.',
    ],
    retry: 'No: it is a dead letter until somebody replays it.',
  },
} as const satisfies Readonly<Record<string, Explanation>>
