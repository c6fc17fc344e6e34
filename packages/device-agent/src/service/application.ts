import { pathToFileURL } from 'node:url';
import type { DeviceAgentOptions } from '../agent/agent-options.ts';
import type { DeviceAgent } from '../agent/device-agent.ts';
import { DeviceAgentError, textOf } from '../errors.ts';

/**
 * What a team writes to make a device of `contoso-device run`: a module with these exports, or with a default export that
 * has them.
 */
export interface DeviceApplication extends Pick<DeviceAgentOptions, 'onMessage' | 'methods' | 'onDesired'> {
  /**
   * Begins the device's own work. The agent takes telemetry from now on, connected or not.
   *
   * What it throws ends the service with exit code 1. What runs on must end when the signal aborts.
   */
  readonly start?: (agent: DeviceAgent, signal: AbortSignal) => Promise<void> | void;
}

const kinds: Readonly<Record<keyof DeviceApplication, readonly string[]>> = {
  onMessage: ['function'],
  methods: ['object'],
  onDesired: ['function', 'object'],
  start: ['function'],
};

/** @throws {DeviceAgentError} ERR_AGENT_APPLICATION */
export async function loadApplication(file: string): Promise<DeviceApplication> {
  let module: Readonly<Record<string, unknown>>;
  try {
    module = (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw applicationError(
      `The application ${file} can't be loaded: ${textOf(cause)}.`,
      'Mend it, or the path.',
      cause,
    );
  }
  const exported = (module['default'] ?? module) as Readonly<Record<string, unknown>>;
  const known = Object.entries(kinds).filter(([name]) => exported[name] !== undefined);
  if (known.length === 0) {
    throw applicationError(
      `The application ${file} exports none of ${Object.keys(kinds).join(', ')}.`,
      'Export what the device does.',
    );
  }
  for (const [name, allowed] of known) {
    if (!allowed.includes(typeof exported[name])) {
      throw applicationError(
        `The application ${file} exports ${name} as ${typeof exported[name]}.`,
        `Make it ${allowed.join(' or ')}.`,
      );
    }
  }
  return Object.fromEntries(known.map(([name]) => [name, exported[name]]));
}

/** @param advice - what to do next, in a sentence */
export function applicationError(message: string, advice: string, cause?: unknown): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_APPLICATION', message, { advice, ...(cause !== undefined && { cause }) });
}
