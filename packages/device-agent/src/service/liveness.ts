import type { AgentEvent } from '../agent/agent-options.ts';

/** When the agent has to be heard of next; undefined where it may rest as long as it likes. Milliseconds of a steady clock. */
export type NextWordDue = number | undefined;

/** A try at DPS or a hub ends in less, one way or the other. */
const longestTryMs = 10 * 60_000;

/** Beyond a wait that was announced. */
const latenessMs = 60_000;

/**
 * Whether the agent's loop moves: it is alive while it is connected, waits as long as it said, or tries for no longer than a
 * try can take. Being without a connection is no reason to be started anew.
 */
export function nextWordDue(due: NextWordDue, event: AgentEvent, nowMs: number): NextWordDue {
  switch (event.type) {
    case 'provisioning':
    case 'provisioned':
    case 'connecting':
      return nowMs + longestTryMs;
    case 'retry':
      return nowMs + event.delayMs + latenessMs;
    case 'status':
      return event.state.status === 'DisconnectedRetrying' ? nowMs + longestTryMs : undefined;
    default:
      return due;
  }
}

export function isAlive(due: NextWordDue, nowMs: number): boolean {
  return due === undefined || nowMs <= due;
}
