import type { HttpTrigger } from '../triggers/http/declare.ts'
import type { HttpEvent } from '../triggers/http/event.ts'
import type { Context } from './context.ts'
import type { EnvOf, FunctionOptions, Variables } from './define-function.ts'

type Routes = HttpTrigger | readonly HttpTrigger[]

/** What the parameters of its routes are called: `{ id: string }` for `/orders/:id`; any text by any name without routes. */
export type ParamsOf<On extends Routes | undefined> = On extends readonly (infer One)[]
  ? One extends HttpTrigger<infer Event>
    ? ParamsOfEvent<Event>
    : never
  : On extends HttpTrigger<infer Event>
    ? ParamsOfEvent<Event>
    : Readonly<Record<string, string>>

type ParamsOfEvent<Event> = Event extends HttpEvent ? Event['request']['params'] : never

/** What a web handler may touch besides its request. `attempt` and `maxAttempts` are 1: nothing is tried again. */
export interface WebContext<Env = unknown, Params = Readonly<Record<string, string>>> extends Context<Env> {
  /** The parameters of the route's path, decoded; what `*` stands for is under `*`. */
  readonly params: Params
  /**
   * Lets work go on after the response: the call counts as under way until it has settled, up to `timeout`. What it rejects
   * with is in the run's log.
   */
  waitUntil(work: Promise<unknown>): void
}

/** The options of a function that answers requests itself. */
export interface WebOptions<
  On extends Routes | undefined = Routes | undefined,
  Env extends Variables = Variables,
> extends Pick<
  FunctionOptions<never, Env>,
  | 'timeout'
  | 'instanceConcurrency'
  | 'maxInstances'
  | 'provisioned'
  | 'memory'
  | 'isolation'
  | 'network'
  | 'env'
  | 'secrets'
  | 'database'
> {
  /**
   * The routes that it answers, such as `http.any('/shop/*')`, without `body`, `query` and `wait`. By default all methods of
   * `/fn/<function id>` and of what is under it.
   */
  readonly on?: On
}

/** Answers a request: the second argument is `ctx.env`. */
export type WebFetch<Env = unknown, Params = Readonly<Record<string, string>>> = (
  request: Request,
  env: Env,
  ctx: WebContext<Env, Params>,
) => Response | Promise<Response>

/** What a file may export as its default to answer requests; with `config`, or an export of that name beside it. */
export interface WebHandler<
  On extends Routes | undefined = Routes | undefined,
  Env extends Variables = Variables,
> {
  readonly config?: WebOptions<On, Env>
  readonly fetch: WebFetch<EnvOf<Env>, ParamsOf<On>>
}

/**
 * Declares a function that answers requests by itself, with its types: bodies stream in both directions, and nothing is tried
 * again. The same without types is `export default { fetch }` with `export const config`.
 */
export function defineWebHandler<
  const On extends Routes | undefined = undefined,
  const Env extends Variables = readonly [],
>(config: WebOptions<On, Env>, handler: WebFetch<EnvOf<Env>, ParamsOf<On>>): WebHandler<On, Env> {
  return { config, fetch: handler }
}
