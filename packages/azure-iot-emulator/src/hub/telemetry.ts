import type { LogRecord } from './record-log.ts';
import { decodePropertyBag, type PropertyBag } from './property-bag.ts';

/** How a device had proved who it is, as `iothub-connection-auth-method` says it. */
export type AuthenticationMethod = 'x509' | 'deviceKey' | 'policyKey';

/** One device-to-cloud message as the Event Hubs-compatible endpoint would hand it out. */
export interface TelemetryMessage extends LogRecord {
  readonly deviceId: string;
  /** Milliseconds since 1970. */
  readonly enqueuedTimeMs: number;
  /**
   * By the names that Azure uses there: `iothub-connection-device-id`, `iothub-connection-auth-method` (JSON text),
   * `iothub-connection-auth-generation-id`, `iothub-enqueuedtime` (milliseconds), `iothub-message-source`, and, where the
   * device set them, `message-id`, `correlation-id`, `user-id`, `content-type`, `content-encoding`, `to`, `dt-subject`.
   */
  readonly systemProperties: Readonly<Record<string, string | number>>;
  /** With `iothub-creation-time-utc` where the device set it; null is a key without a value. */
  readonly applicationProperties: Readonly<Record<string, string | null>>;
  readonly body: Uint8Array;
}

/** What is known of a message before it has its place in the log. */
export interface ReceivedTelemetry {
  readonly deviceId: string;
  readonly generationId: string;
  readonly authenticationMethod: AuthenticationMethod;
  readonly enqueuedTimeMs: number;
  /** Undecoded property bag of the topic. */
  readonly bag: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly isWill: boolean;
}

/** Keys of the property bag that become system properties ("Communicate with an IoT hub using MQTT"). */
const systemKeys = new Map([
  ['$.mid', 'message-id'],
  ['$.cid', 'correlation-id'],
  ['$.uid', 'user-id'],
  ['$.to', 'to'],
  ['$.ct', 'content-type'],
  ['$.ce', 'content-encoding'],
  ['$.exp', 'absolute-expiry-time'],
  ['$.sub', 'dt-subject'],
  ['$.ifid', 'iothub-interface-id'],
]);

/** As captured for an X.509 device; the other two were seen in the same form. */
const authenticationMethods: Readonly<Record<AuthenticationMethod, object>> = {
  x509: { scope: 'device', type: 'x509Certificate', issuer: 'external', acceptingIpFilterRule: null },
  deviceKey: { scope: 'device', type: 'sas', issuer: 'iothub', acceptingIpFilterRule: null },
  policyKey: { scope: 'hub', type: 'sas', issuer: 'iothub', acceptingIpFilterRule: null },
};

/** @throws {URIError} where the property bag has a malformed escape */
export function telemetryMessage(received: ReceivedTelemetry, sequenceNumber: number): TelemetryMessage {
  const bag = decodePropertyBag(received.bag);
  return {
    sequenceNumber,
    deviceId: received.deviceId,
    enqueuedTimeMs: received.enqueuedTimeMs,
    systemProperties: {
      'iothub-connection-device-id': received.deviceId,
      'iothub-connection-auth-method': JSON.stringify(authenticationMethods[received.authenticationMethod]),
      'iothub-connection-auth-generation-id': received.generationId,
      'iothub-enqueuedtime': received.enqueuedTimeMs,
      'iothub-message-source': 'Telemetry',
      ...devicesSystemProperties(bag),
    },
    applicationProperties: applicationProperties(bag, received),
    // A copy: the payload is a view of a whole network buffer.
    body: Uint8Array.from(received.payload),
  };
}

/** Roughly what a message costs in memory. */
export function telemetrySize(message: TelemetryMessage): number {
  return message.body.length + 1024;
}

function devicesSystemProperties(bag: PropertyBag): Record<string, string> {
  return Object.fromEntries(
    [...bag].flatMap(([key, value]) => {
      const name = systemKeys.get(key);
      return name === undefined ? [] : [[name, value ?? '']];
    }),
  );
}

function applicationProperties(bag: PropertyBag, { retain, isWill }: ReceivedTelemetry): Record<string, string | null> {
  return Object.fromEntries([
    ...[...bag]
      .filter(([key]) => !systemKeys.has(key))
      .map(([key, value]) => [key === '$.ctime' ? 'iothub-creation-time-utc' : key, value] as const),
    ...(retain ? [['mqtt-retain', 'true'] as const] : []),
    ...(isWill ? [['iothub-MessageType', 'Will'] as const] : []),
  ]);
}
