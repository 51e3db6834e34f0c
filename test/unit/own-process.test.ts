import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { describe, it } from 'node:test'
import { isGone, ownIdentity } from '../../src/lib/own-process.ts'
import { eventually } from '../support/eventually.ts'

const skip = existsSync('/proc/self/stat') ? false : 'no /proc here'

describe('a process as others on its machine see it', { skip }, () => {
  const own = ownIdentity() ?? { machine: '', birth: '' }

  it('is there while it is', () => {
    assert.match(own.machine, /^[\da-f-]{36} pid:\[\d+\] \S+$/)
    assert.match(own.birth, /^\d+$/)
    assert.equal(isGone(process.pid, own.birth), false)
  })

  it('is gone when another one has its pid', () => {
    assert.equal(isGone(process.pid, '1'), true)
  })

  it('is gone when it was killed, stopped is not gone', async () => {
    const child = spawn('sleep', ['60'])
    const pid = child.pid ?? 0
    const birth = await eventually(async () => {
      const { readFile } = await import('node:fs/promises')
      const text = await readFile(`/proc/${pid}/stat`, 'latin1')
      return text.slice(text.lastIndexOf(')') + 2).split(' ')[19]
    }, 'it is there')
    child.kill('SIGSTOP')
    assert.equal(isGone(pid, birth), false)
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.equal(isGone(pid, birth), true)
  })
})
