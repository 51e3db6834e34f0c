import { createRequire } from 'node:module'
import { Webhooks } from '@octokit/webhooks'
import { accepted, type Case, expectEqual } from '../case.ts'
import { eventOf } from '../stored.ts'
import { SIGNERS } from './signers.ts'

/** GitHub's example payloads, signed by its own library. */
const definitions = createRequire(import.meta.url)('@octokit/webhooks-examples') as readonly {
  readonly name: string
  readonly examples: readonly unknown[]
}[]
const secret = SIGNERS.find(({ name }) => name === 'github')?.secret ?? ''
const webhooks = new Webhooks({ secret })

export const GITHUB: readonly Case[] = definitions.flatMap(({ name, examples }) =>
  examples.map((example, i) => ({
    id: `github/${name}/${i}`,
    async run(target) {
      // Some examples are there twice: their deliveries are not.
      const delivery = `${name}-${i}`
      const body = JSON.stringify({ ...(example as object), delivery })
      const headers = {
        'content-type': 'application/json',
        'x-github-event': name,
        'x-github-delivery': delivery,
        'x-hub-signature-256': await webhooks.sign(body),
      }
      const reply = await target.send({ path: '/signed/github', headers, body })
      const told = accepted(reply)
      const event = await eventOf(target, reply)
      expectEqual(event.payload.data, JSON.parse(body), 'the payload')
      expectEqual(
        [event.event_id, event.payload.request?.headers['x-github-event']],
        [delivery, name],
        'its names',
      )
      return told
    },
  })),
)
