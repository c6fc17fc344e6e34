/** Where a running emulator listens. */
export interface EmulatorPorts {
  /** MQTT of devices. */
  readonly mqtt: number;
  /** HTTPS, and MQTT over WebSocket. */
  readonly https: number;
  /** Absent for 127.0.0.1. */
  readonly address?: string;
}

/** Where a connection goes instead. */
export interface Route {
  readonly host: string;
  readonly port: number;
}

/** Why a connection goes nowhere. */
export interface NoRoute {
  readonly refusal: string;
}

/** AMQP over TLS, which Microsoft's service clients use by default. */
const amqpPort = 5671;

/** Variable that holds the ports for the hook: `{mqtt},{https}`, and a comma and the address where it isn't 127.0.0.1. */
export const PORTS_VARIABLE = 'AZURE_IOT_EMULATOR_PORTS';

/** Names that the emulator plays: Microsoft's own, and its own ones under .localhost. */
const PLAYED =
  /^(?:management\.azure\.com|login\.microsoftonline\.com|(?:[a-z0-9-]+\.)+azure-devices(?:-provisioning)?\.(?:net|localhost))$/;

/**
 * Where a connection to a host and port has to go so that it meets the emulator. Microsoft's clients have the ports 443
 * and 8883 built in, and some put the port that stands in the host's name before their own: `name:8883:443`.
 *
 * @param host - name in any case, with or without a port behind it
 * @returns undefined for what is none of the emulator's
 */
export function findRoute(host: string, port: number, ports: EmulatorPorts): Route | NoRoute | undefined {
  const name = host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
  const { address = '127.0.0.1' } = ports;
  if (PLAYED.test(name)) {
    if (port === amqpPort) return { refusal: amqpRefusal(name) };
    return { host: address, port: port === 443 ? ports.https : port === 8883 ? ports.mqtt : port };
  }
  // Node leaves `*.localhost` to the system's resolver, which doesn't know it everywhere (RFC 6761 section 6.3).
  return name.endsWith('.localhost') ? { host: address, port } : undefined;
}

function amqpRefusal(name: string): string {
  return (
    `${name}:${amqpPort} is AMQP, which the Azure IoT emulator doesn't speak: use MQTT for devices, and its HTTP ` +
    `interface (GET /emulator/telemetry, POST /devices/{id}/messages/devicebound) for what Azure has over AMQP alone.`
  );
}

/** @returns undefined where the text isn't two ports, with or without an address */
export function parsePorts(text: string | undefined): EmulatorPorts | undefined {
  const [, mqtt, https, address] = /^(\d{1,5}),(\d{1,5})(?:,([0-9a-f.:]+))?$/i.exec(text ?? '') ?? [];
  if (mqtt === undefined) return undefined;
  return { mqtt: Number(mqtt), https: Number(https), ...(address !== undefined && { address }) };
}

/** The form that {@link parsePorts} reads. */
export function formatPorts({ mqtt, https, address }: EmulatorPorts): string {
  return [mqtt, https, ...(address === undefined ? [] : [address])].join(',');
}
