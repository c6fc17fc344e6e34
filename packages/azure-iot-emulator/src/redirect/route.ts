/** Ports of a running emulator on 127.0.0.1. */
export interface EmulatorPorts {
  /** MQTT and AMQP of devices and services. */
  readonly mqtt: number;
  /** HTTPS, and MQTT over WebSocket. */
  readonly https: number;
}

/** Where a connection goes instead. */
export interface Route {
  readonly host: '127.0.0.1';
  readonly port: number;
}

/** Variable that holds the ports for the hook: `{mqtt},{https}`. */
export const PORTS_VARIABLE = 'AZURE_IOT_EMULATOR_PORTS';

/** Names that the emulator plays: Microsoft's own, and its own ones under .localhost. */
const PLAYED =
  /^(?:management\.azure\.com|login\.microsoftonline\.com|(?:[a-z0-9-]+\.)+azure-devices(?:-provisioning)?\.(?:net|localhost))$/;

/**
 * Where a connection to a host and port has to go so that it meets the emulator. Microsoft's clients have the ports 443,
 * 8883 and 5671 built in, and some put the port that stands in the host's name before their own: `name:8883:443`.
 *
 * @param host - name in any case, with or without a port behind it
 * @returns undefined for what is none of the emulator's
 */
export function findRoute(host: string, port: number, ports: EmulatorPorts): Route | undefined {
  const name = host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
  if (PLAYED.test(name)) {
    const played = port === 443 ? ports.https : port === 8883 || port === 5671 ? ports.mqtt : port;
    return { host: '127.0.0.1', port: played };
  }
  // Node leaves `*.localhost` to the system's resolver, which doesn't know it everywhere (RFC 6761 section 6.3).
  return name.endsWith('.localhost') ? { host: '127.0.0.1', port } : undefined;
}

/** @returns undefined where the text isn't two ports */
export function parsePorts(text: string | undefined): EmulatorPorts | undefined {
  const [, mqtt, https] = /^(\d{1,5}),(\d{1,5})$/.exec(text ?? '') ?? [];
  return mqtt === undefined ? undefined : { mqtt: Number(mqtt), https: Number(https) };
}

/** The form that {@link parsePorts} reads. */
export function formatPorts({ mqtt, https }: EmulatorPorts): string {
  return `${mqtt},${https}`;
}
