import {
  DeviceAgent,
  DeviceAgentError,
  exponentialBackoff,
  loadIdentity,
  stopOnSignals,
  type DeviceAgentOptions,
  type DeviceIdentity,
  type Transport,
} from '@contoso/device-agent';
import { reportEvent } from './describe-event.ts';
import type { Reporter } from './reporter.ts';
import { describeMessage, Thermostat } from './thermostat.ts';

export interface DeviceOptions {
  /** A known hub, or DPS. */
  readonly connectTo: DeviceAgentOptions['connectTo'];
  /** Path of the PFX. */
  readonly certificateName: string;
  readonly certificatePassword: string;
  readonly transportType: Transport;
  readonly stateFolder: string;
  readonly trustedRootsPem: string | undefined;
  /** Tries in a row before giving up; undefined: never. */
  readonly attempts: number | undefined;
  /** Milliseconds between two measurements. */
  readonly telemetryIntervalMs: number;
  /** Milliseconds after which the device stops by itself; undefined: it runs until SIGINT or SIGTERM. */
  readonly runningTimeMs: number | undefined;
}

/** What a device has done when it stops. */
export interface DeviceResult {
  readonly messagesSent: number;
  readonly undeliveredMessages: number;
}

/** Everything about a thermostat that an agent needs to know. */
export function thermostatAgent(
  thermostat: Thermostat,
  reporter: Reporter,
  options: Omit<DeviceAgentOptions, 'onMessage' | 'methods' | 'onDesired'>,
): DeviceAgent {
  return new DeviceAgent({
    ...options,
    // A command has to end with its error; a device that nobody watches would go on trying.
    onRefusal: 'end',
    onMessage: (message) => reporter.step('Cloud-to-device message', { message: describeMessage(message) }),
    methods: { getReport: () => thermostat.getReport() },
    onDesired: (change) => thermostat.handleDesired(change),
  });
}

/** The sample's `DeviceReconnectionSample`: runs one thermostat until it is stopped. */
export async function runDevice(options: DeviceOptions, reporter: Reporter): Promise<DeviceResult> {
  const identity = await loadIdentity({ pfxFile: options.certificateName, password: options.certificatePassword });
  const thermostat = new Thermostat();
  const agent = thermostatAgent(thermostat, reporter, agentOptions(options, identity, reporter));
  const off = stopOnSignals(agent);
  let messagesSent = 0;
  const measure = async (): Promise<void> => {
    const message = thermostat.measure();
    await agent.send(message);
    messagesSent += 1;
    reporter.note(`measured ${JSON.stringify(message.body)} ${JSON.stringify(message.properties)}`);
  };
  const tellUnsent = (error: unknown): void => {
    // What is measured while it stops is nobody's any more.
    const isStopped = error instanceof DeviceAgentError && error.code === 'ERR_AGENT_STOPPED';
    if (!isStopped) reporter.note(`not sent: ${error instanceof Error ? error.message : String(error)}`);
  };
  try {
    await agent.start();
    await measure();
    const timer = setInterval(() => void measure().catch(tellUnsent), options.telemetryIntervalMs);
    const end =
      options.runningTimeMs === undefined ? undefined : setTimeout(() => void agent.stop(), options.runningTimeMs);
    const error = await agent.finished.finally(() => {
      clearInterval(timer);
      clearTimeout(end);
    });
    if (error) throw error;
  } finally {
    off();
    await agent.stop();
  }
  return { messagesSent, ...(await agent.stop()) };
}

function agentOptions(options: DeviceOptions, identity: DeviceIdentity, reporter: Reporter): DeviceAgentOptions {
  const { connectTo, stateFolder, transportType: transport, trustedRootsPem, attempts } = options;
  return {
    identity,
    connectTo,
    stateFolder,
    transport,
    ...(trustedRootsPem !== undefined && { trustedRootsPem }),
    ...(attempts !== undefined && { retryPolicy: exponentialBackoff({ maximumAttempts: attempts - 1 }) }),
    onEvent: (event) => reportEvent(reporter, event),
  };
}
