import type { Explanation } from './explanation.ts'

/** Errors that whoever sent a request or typed a command can correct. */
export const SENDER = {
  TPT_USAGE: {
    causes: [
      'A command, flag or argument of the command line is not one that there is, or does not have the form that it must have.',
      'A question was answered with no, or could not be asked because nobody sits at a terminal.',
    ],
    remedies: [
      'Add `--help` to the command: it lists flags and shows examples.',
      'In scripts, add `--yes` to commands that ask.',
    ],
    retry: 'The same line fails again.',
  },
  TPT_QUERY_FAILED: {
    causes: [
      'Postgres refused a statement of `npx tappet db query`; the message quotes it, with its SQLSTATE.',
    ],
    remedies: [
      'Correct the statement at the character that is named.',
      'Several statements in one call are one transaction: none of them has had an effect.',
    ],
    retry: 'The same statement fails again, unless the data or the schema has changed meanwhile.',
  },
  TPT_ROUTE_NOT_FOUND: {
    causes: [
      'No function has an HTTP trigger for this path, or none takes uploads under this key.',
      'The process that was asked does not have the role `http`.',
      'The function did not compile, so that none of its triggers is served.',
    ],
    remedies: [
      'List what is served with `npx tappet functions`; the message names a route that is nearly the same.',
      'Look for problems with `npx tappet doctor`.',
    ],
    retry: 'Not before somebody deploys a function for it.',
  },
  TPT_METHOD_NOT_ALLOWED: {
    causes: ['A function has this path, but with another method.'],
    remedies: ['Use one of the methods in the `Allow` header of the answer.'],
    retry: 'The same request is refused again.',
  },
  TPT_EVENT_INVALID: {
    causes: [
      'The data does not fit the schema of the function that it is for; `issues` lists where, and what was expected.',
      'The query or the body of a request to the admin API has a field that is missing, unknown or of another form.',
      'What was sent as a CloudEvent lacks an attribute or has one that may not be.',
    ],
    remedies: [
      'Correct the fields that `issues` names, by their JSON pointers.',
      'If the schema is too narrow, change it in the function: nothing was stored, so the sender has to send again.',
    ],
    retry: 'The same data is refused again. Nothing was stored, no run was made.',
  },
  TPT_KEY_REUSED: {
    causes: [
      'A request came under an `Idempotency-Key` under which another path, query or body had come before.',
    ],
    remedies: [
      'Use a key of its own for each request that is meant to have an effect of its own.',
      'When you repeat a request, repeat it byte for byte: then you get the answer of the first.',
    ],
    retry: 'Not under this key, for as long as its first event is kept.',
  },
  TPT_FILTER_INVALID: {
    causes: [
      'A filter names a field, a value or an operator that there is not; the message names the place.',
    ],
    remedies: ['Correct it there; what filters may say is in [api.md](../api.md).'],
    retry: 'The same filter is refused again.',
  },
  TPT_REQUEST_INVALID: {
    causes: [
      'The request is no well-formed HTTP/1.1, or its URL or a header is malformed.',
      'A request of the admin API asks for something that cannot be, such as ticks of a time to come.',
    ],
    remedies: [
      'Read the message: it says what was expected.',
      'Look at what a proxy between makes of the request.',
    ],
    retry: 'The same request is refused again.',
  },
  TPT_REQUEST_TIMEOUT: {
    causes: [
      'The headers or the body of a request did not arrive in time.',
      'An upload came slower than 10 kB a second, for longer than 30 s in all.',
    ],
    remedies: [
      'Send large files by tus, which goes on where it was cut off.',
      'Look whether a proxy between holds requests back.',
    ],
    retry: 'Yes, over a better line. Nothing was stored; an upload by tus keeps what had come.',
  },
  TPT_BODY_INVALID: {
    causes: [
      'The body is no JSON, or not what its `Content-Type` or `Content-Encoding` says.',
      'The body ended before its declared length, or is not the one that a promised SHA-256 belongs to.',
    ],
    remedies: [
      'Send a body of the type that the header names.',
      'Check that nothing between changes or cuts it.',
    ],
    retry: 'Only if it was cut off on its way. Nothing was stored.',
  },
  TPT_EVENT_TOO_LARGE: {
    causes: [
      'The body is larger than the `maxBytes` of the trigger: 1 MiB for HTTP and 100 MB for uploads, unless declared.',
      'A message to a queue is larger than 1 MiB by HTTP, or 15 MiB by `ctx.send`.',
    ],
    remedies: [
      'Upload what is large, and send its key.',
      'Raise `maxBytes` on the trigger, if the function is to take it.',
    ],
    retry: 'The same is refused again. Nothing was stored.',
  },
  TPT_CONTENT_TYPE: {
    causes: [
      'The `Content-Type` is none that the trigger takes.',
      'An uploaded file is, by its content, none of the types in `accept`: what its sender calls it does not count.',
      'A signed request came with a `Content-Encoding`: its signature is over other bytes.',
    ],
    remedies: ['Send one of the types that the message lists.', 'Widen `accept` on the trigger.'],
    retry: 'The same is refused again. Nothing was stored.',
  },
  TPT_SIGNATURE_INVALID: {
    causes: [
      'The shared secret of the sender is not the one in the environment variable that the trigger names.',
      'Something between has changed the body: signatures are over its raw bytes.',
      'The time in the signature is too far from ours: a clock is wrong, or an old request was played again.',
    ],
    remedies: [
      'Compare the secrets, without spaces and line ends around them.',
      'Let proxies pass the body on as it is.',
      "Set the machine's clock: `npx tappet doctor` says how far it is off.",
    ],
    retry:
      'Not before secret, body or clock are corrected. Most senders of webhooks try again by themselves.',
  },
  TPT_UNAUTHORIZED: {
    causes: [
      'The request has no key, or one that is unknown, revoked or expired.',
      'A link that signs in once was used before, or is older than ten minutes.',
    ],
    remedies: [
      'Send a key as `Authorization: Bearer <key>`.',
      'The first key is in `.tappet/admin.key` or `TAPPET_ADMIN_TOKEN`; `npx tappet keys create` makes others.',
    ],
    retry: 'Not with this key.',
  },
  TPT_FORBIDDEN: {
    causes: [
      'The key is good, but does not have the scope that the route asks for: `read`, `operate`, `ingest` or `admin`.',
      'A page of another origin tried to change something, or `tappet dev` was asked under a name that is not localhost.',
    ],
    remedies: [
      'Use a key with the scope that the message names; what scopes allow is in [security.md](../security.md).',
    ],
    retry: 'Not with this key. What was refused is in the audit log.',
  },
  TPT_RATE_LIMITED: {
    causes: ['More than 20 unknown keys came from one address. Keys that were good before are let through.'],
    remedies: [
      'Wait as long as `Retry-After` says: one more try every 3 s.',
      'Find the client with the wrong key: it may share the address of a proxy with others.',
    ],
    retry: 'Yes, after `Retry-After`.',
  },
  TPT_NOT_FOUND: {
    causes: [
      'There is no run, event, key, file or schedule with this id, or it is not kept any more (`TAPPET_RETENTION`).',
      'The command line talks to another server than the one you mean.',
    ],
    remedies: ['Check the id, and the server: `npx tappet status` says which it is.'],
    retry: 'Not before there is one.',
  },
  TPT_CONFLICT: {
    causes: [
      'The run is in a state in which that cannot be done: only dead and cancelled runs are replayed as they are, only runs that are not over are cancelled.',
      'The function does not have the trigger any more that made the run.',
      'A file that a command would write is there already.',
      'A test of alerts was asked for where nobody is named to tell.',
    ],
    remedies: [
      'Look at the current state first, as with `npx tappet runs show`.',
      'Replay a completed run with edited data instead.',
    ],
    retry: 'Only if the state changes meanwhile.',
  },
} as const satisfies Readonly<Record<string, Explanation>>
