import type { StopReport } from './agent/agent-options.ts';
import type { DeviceAgent } from './agent/device-agent.ts';

/** The part of `process` that this needs. */
export interface SignalSource {
  once(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

/**
 * Stops the agent cleanly on SIGINT or SIGTERM; a second signal ends the process the usual way.
 *
 * @param onStopped - gets what was left undelivered
 * @returns takes the handlers off again
 */
export function stopOnSignals(
  agent: DeviceAgent,
  onStopped: (report: StopReport) => void = () => undefined,
  source: SignalSource = process,
): () => void {
  const off = (): void => {
    source.off('SIGINT', stop);
    source.off('SIGTERM', stop);
  };
  const stop = (): void => {
    off();
    void agent.stop().then(onStopped);
  };
  source.once('SIGINT', stop);
  source.once('SIGTERM', stop);
  return off;
}
