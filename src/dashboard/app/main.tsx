import { computed } from '@preact/signals'
import { render } from 'preact'
import { key } from './api.ts'
import { startKeys } from './keyboard.ts'
import { live } from './live.ts'
import { link, place } from './router.ts'
import { applyTheme, nextTheme, theme } from './theme.ts'
import { Alerts } from './screens/alerts.tsx'
import { Databases } from './screens/databases.tsx'
import { DeadLetters, Errors } from './screens/errors.tsx'
import { Explain } from './screens/explain.tsx'
import { EventPage, Events } from './screens/events.tsx'
import { FunctionPage, Functions } from './screens/functions.tsx'
import { Login } from './screens/login.tsx'
import { Logs } from './screens/logs.tsx'
import { Overview } from './screens/overview.tsx'
import { Run } from './screens/run.tsx'
import { Runs } from './screens/runs.tsx'
import { Send } from './screens/send.tsx'
import { Settings } from './screens/settings.tsx'
import { Schedules } from './screens/schedules.tsx'
import { Triggers } from './screens/triggers.tsx'
import { Uploads } from './screens/uploads.tsx'
import { Usage } from './screens/usage.tsx'
import { Queues, Workers } from './screens/workers.tsx'
import { Help } from './ui/help.tsx'

const SCREENS = {
  '': { title: 'Overview', screen: Overview },
  runs: { title: 'Runs', screen: Runs },
  events: { title: 'Events', screen: Events },
  dead: { title: 'Dead letters', screen: DeadLetters },
  errors: { title: 'Errors', screen: Errors },
  alerts: { title: 'Alerts', screen: Alerts },
  functions: { title: 'Functions', screen: Functions },
  triggers: { title: 'Triggers', screen: Triggers },
  schedules: { title: 'Schedules', screen: Schedules },
  databases: { title: 'Databases', screen: Databases },
  queues: { title: 'Queues', screen: Queues },
  workers: { title: 'Workers', screen: Workers },
  logs: { title: 'Logs', screen: Logs },
  uploads: { title: 'Uploads', screen: Uploads },
  usage: { title: 'Usage and cost', screen: Usage },
  send: { title: 'Send an event', screen: Send },
  settings: { title: 'Settings', screen: Settings },
} as const

/** Only what decides which screen it is: other parts of the place change within it. */
const here = computed(() => place.value.path.join('\n'))

function Screen() {
  const [name = '', ...rest] = here.value.split('\n')
  const id = rest.join('/')
  if (name === 'runs' && id !== '') return <Run key={id} id={id} />
  if (name === 'events' && id !== '') return <EventPage key={id} id={id} />
  if (name === 'functions' && id !== '') return <FunctionPage key={id} id={id} />
  if (name === 'explain') return <Explain key={id} code={id} />
  const { screen: Found } = SCREENS[name as keyof typeof SCREENS] ?? SCREENS['']
  return <Found key={name} />
}

function App() {
  if (key.value === null) return <Login />
  const [name = ''] = here.value.split('\n')
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => (event.preventDefault(), document.querySelector<HTMLElement>('main')?.focus())}
      >
        Skip to the content
      </a>
      <nav aria-label="Pages">
        <a class="brand" href={link([])}>
          Tappet
        </a>
        {Object.entries(SCREENS).map(([path, { title }]) => (
          <a
            key={path}
            href={link(path === '' ? [] : [path])}
            aria-current={path === name ? 'page' : undefined}
          >
            {title}
          </a>
        ))}
        <div class="foot">
          <button type="button" aria-pressed={live.value} onClick={() => (live.value = !live.value)}>
            {live.value ? '● live' : '❚❚ paused'}
          </button>
          <button type="button" onClick={nextTheme}>
            {theme.value} theme
          </button>
        </div>
      </nav>
      <Screen />
      <Help />
    </>
  )
}

applyTheme()
startKeys()
const root = document.getElementById('app')
if (root) render(<App />, root)
