/** What has reached this process by now, on any pipe or socket, has been read then. */
export async function loopTurns(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
}
