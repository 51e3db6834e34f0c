import { mkdir, writeFile } from 'node:fs/promises'
import nodemailer from 'nodemailer'
import { defineFunction, FatalError, RetryAfterError } from 'tappet'
import { receipts } from './receipts.ts'

/** Mails one receipt through SMTP_URL, or into `.tappet/mail/` when there is none. A refused address is final. */
export default defineFunction(
  {
    on: receipts,
    retry: { attempts: 8, delay: '2s', maxDelay: '10m' },
    timeout: '30s',
    concurrency: 5,
    env: ['SMTP_URL', 'MAIL_FROM'],
  },
  async ({ data: { orderId, to, total, status } }, ctx) => {
    const from = process.env.MAIL_FROM ?? 'shop@localhost'
    const text = `Thank you. Your order ${orderId} over ${total.toFixed(2)} is ${status}.\n`
    const mail = {
      from,
      to,
      subject: `Your order is ${status}`,
      text,
      messageId: `<${orderId}-${status}@tappet>`,
    }
    if (!process.env.SMTP_URL) return { file: await keep(mail, `${orderId}-${status}`) }

    const transport = nodemailer.createTransport(process.env.SMTP_URL)
    try {
      const { response } = await transport.sendMail(mail)
      ctx.log.info({ to, response }, 'receipt sent')
      return { response }
    } catch (error) {
      throw toRetry(error)
    } finally {
      transport.close()
    }
  },
)

async function keep(mail: object, name: string): Promise<string> {
  const file = `.tappet/mail/${name}.eml`
  const { message } = await nodemailer.createTransport({ streamTransport: true, buffer: true }).sendMail(mail)
  await mkdir('.tappet/mail', { recursive: true })
  await writeFile(file, message as Buffer)
  return file
}

/** 550: there is no such mailbox, ever. 421 and 429: too many at once. Anything else is tried again by the policy. */
function toRetry(error: unknown): unknown {
  const { responseCode, message } = error as { responseCode?: number; message: string }
  if (responseCode === 550) return new FatalError(message)
  if (responseCode === 421 || responseCode === 429) return new RetryAfterError(message, '1m')
  return error
}
