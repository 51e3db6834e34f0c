import type { Destination } from './destinations.ts'
import type { AlertSettings } from './settings.ts'
import { textOf } from './text.ts'

const TIMEOUT_MS = 10_000

/** By SMTP. The library is loaded with the first mail. */
export function createMailDestination({ server, from, to }: NonNullable<AlertSettings['mail']>): Destination {
  return {
    name: 'mail',
    async send({ id, notice }) {
      const { createTransport } = await import('nodemailer')
      const transport = createTransport({
        url: server,
        connectionTimeout: TIMEOUT_MS,
        greetingTimeout: TIMEOUT_MS,
        socketTimeout: TIMEOUT_MS,
      })
      const text = textOf(notice)
      const { data, timestamp } = notice
      try {
        await transport.sendMail({
          ...{ from, to: [...to], subject: `[tappet] ${text.slice(0, 150)}` },
          text: `${text}\n\nSince ${data.since}, told ${timestamp}\nAlert ${data.id} (${data.kind})\n`,
          // The same at each try, so that a mail that comes twice is seen to be one.
          messageId: `<${id}@tappet>`,
          headers: { 'auto-submitted': 'auto-generated', references: `<${data.id}@tappet>` },
        })
      } finally {
        transport.close()
      }
    },
  }
}
