import type { Pool } from 'pg'
import type { Chain } from '../../reader.ts'
import { ask, values } from './ask.ts'
import { EVENT_COLUMNS, toListedEvent } from './lists.ts'

/** More would fit on no screen; a function that sends itself messages has no end. */
const MAX_EVENTS = 200
const MAX_DEPTH = 50

/**
 * Up from the run to the event that nobody's run has sent, then down again from it: all events in the order in which
 * they came. `union` keeps a circle, which only a hand in the database can make, from going round.
 */
export async function chain(pool: Pool, runId: string): Promise<Chain> {
  const list = values()
  const text = `
    with recursive up as (
      select r.event as id, 0 as depth from tappet.runs r where r.id = ${list.bind(runId)}
      union
      select r.event, up.depth + 1 from up join tappet.events e on e.id = up.id join tappet.runs r on r.id = e.cause
       where up.depth < ${list.bind(MAX_DEPTH)}
    ), down as (
      (select id, 0 as depth from up order by up.depth desc limit 1)
      union
      select e.id, down.depth + 1 from down join tappet.runs r on r.event = down.id join tappet.events e on e.cause = r.id
       where down.depth < ${list.bind(MAX_DEPTH)}
    ), found as (
      select id from down union select id from up
    )
    select ${EVENT_COLUMNS} from tappet.events e
     where e.id in (select id from found limit ${list.bind(MAX_EVENTS * 10)}) order by e.id limit ${list.bind(MAX_EVENTS + 1)}`
  const rows = await ask<Parameters<typeof toListedEvent>[0]>(pool, text, list)
  return { events: rows.slice(0, MAX_EVENTS).map(toListedEvent), cut: rows.length > MAX_EVENTS }
}
