import { type Contestant, type Outcome, startSide } from '../harness/contest.ts'
import { closeAll, type RunGroup, showContest } from '../harness/group.ts'
import { openCaller } from '../harness/http-load.ts'
import type { Servers } from '../harness/servers.ts'
import { type Figures, type Load, measure } from '../harness/side.ts'
import { startTappet } from '../harness/tappet.ts'

const FUNCTIONS = {
  'accept.ts': `import { defineFunction, http } from 'tappet'
export default defineFunction({ on: http.post('/accept') }, () => null)
`,
  'wait.ts': `import { defineFunction, http } from 'tappet'
export default defineFunction({ on: http.post('/wait', { wait: '5s' }) }, ({ data }) => data as object)
`,
}
const NOTHING = 'nothing: it answers from memory'

interface Server {
  readonly name: string
  readonly durability: string
  readonly url: string
  readonly pid: number
  readonly close: () => Promise<void>
}

/** Requests of 100 bytes on connections that stay open: answered 202 at once, or with the result. */
export const http: RunGroup = async (servers, { seconds, rounds, quick }) => {
  const all = await startServersOfHttp(servers)
  const outcomes: Outcome[] = []
  try {
    for (const path of ['/accept', '/wait']) {
      const contestants = all.map((server) => onPath(server, path))
      for (const inFlight of quick ? [50] : [1, 50]) {
        const title = `${path === '/accept' ? '202 at once' : 'waited result'}, ${inFlight} connections`
        const load = { seconds, inFlight, bytes: 100 }
        outcomes.push(await showContest(contestants, { title, load, rounds, headline: 'perSecond' }, servers))
      }
    }
  } finally {
    await closeAll(all.map((server) => onPath(server, '/')))
  }
  return outcomes
}

async function startServersOfHttp(servers: Servers): Promise<readonly Server[]> {
  const tappet = await startTappet(servers, FUNCTIONS)
  const side = async (
    name: string,
    durability: string,
    ...[file, which]: readonly [string, string]
  ): Promise<Server> => {
    const { info, pid, close } = await startSide(servers, file, which)
    return { name, durability, url: String(info), pid, close }
  }
  const redis = 'nothing yet: the job is in Redis, whose AOF is fsynced every second'
  return [
    { name: 'Tappet', durability: 'event and run, in Postgres, fsynced', ...tappet },
    await side('Fastify', NOTHING, 'http', 'fastifyServer'),
    await side('Fastify + BullMQ', redis, 'bullmq', 'fastifyServer'),
    await side('functions-framework', NOTHING, 'http', 'functionsFramework'),
    await side('miniflare', NOTHING, 'http', 'miniflare'),
  ]
}

function onPath({ name, durability, url, pid, close }: Server, path: string): Contestant {
  return { name, durability, pids: [pid], close, turn: (load) => request(url, path, load) }
}

async function request(url: string, path: string, load: Load): Promise<Figures> {
  const open = Array.from({ length: load.inFlight }, () => openCaller(url, path, load.bytes))
  const callers = await Promise.all(open)
  const free = [...callers]
  try {
    return await measure(async () => {
      const caller = free.pop()
      if (!caller) throw new Error('more callers than connections')
      await caller.call()
      free.push(caller)
    }, load)
  } finally {
    for (const caller of callers) caller.close()
  }
}
