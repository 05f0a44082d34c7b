import type { Response } from 'express'

/** Nobody waits for this answer any more: its connection is closed, or it was given. */
export function isGone(response: Response): boolean {
  return response.closed || response.destroyed || response.req.socket.destroyed
}

/**
 * Runs `act` once nobody waits for this answer any more, at once when that is so already: 'close' is not told again to who
 * begins to listen after it, so a listener that is attached after an await can miss it.
 */
export function whenGone(response: Response, act: () => void): void {
  if (isGone(response)) return act()
  // A pipelined request has its turn on the connection later, and hears of its end from the connection alone.
  const isWaitingForTurn = response.socket === null
  if (!isWaitingForTurn) return void response.once('close', act)
  const { socket } = response.req
  const hear = () => {
    // The connection may go on, and bear thousands of requests.
    socket.off('close', hear)
    response.off('close', hear)
    act()
  }
  socket.once('close', hear)
  response.once('close', hear)
}
