import type { ClientIdentity } from './hub-client.ts';
import type { LogRecord } from './record-log.ts';
import { decodePropertyBag, type PropertyBag } from './property-bag.ts';

/** How a device had proved who it is, as `iothub-connection-auth-method` says it. */
export type AuthenticationMethod = 'x509' | 'deviceKey' | 'policyKey';

/** One device-to-cloud message as the Event Hubs-compatible endpoint would hand it out. */
export interface TelemetryMessage extends LogRecord {
  readonly deviceId: string;
  /** Where a module sent it. */
  readonly moduleId?: string;
  /** Milliseconds since 1970. */
  readonly enqueuedTimeMs: number;
  /**
   * By the names that Azure uses there: `iothub-connection-device-id`, `iothub-connection-module-id`, `iothub-connection-auth-method` (JSON text),
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
  readonly identity: ClientIdentity;
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
const authenticationMethods: Readonly<Record<AuthenticationMethod, string>> = {
  x509: JSON.stringify({ scope: 'device', type: 'x509Certificate', issuer: 'external', acceptingIpFilterRule: null }),
  deviceKey: JSON.stringify({ scope: 'device', type: 'sas', issuer: 'iothub', acceptingIpFilterRule: null }),
  policyKey: JSON.stringify({ scope: 'hub', type: 'sas', issuer: 'iothub', acceptingIpFilterRule: null }),
};

/** @throws {URIError} where the property bag has a malformed escape */
export function telemetryMessage(received: ReceivedTelemetry, sequenceNumber: number): TelemetryMessage {
  const { deviceId, moduleId, generationId } = received.identity;
  const systemProperties: Record<string, string | number> = {
    'iothub-connection-device-id': deviceId,
    ...(moduleId !== undefined && { 'iothub-connection-module-id': moduleId }),
    'iothub-connection-auth-method': authenticationMethod(received),
    'iothub-connection-auth-generation-id': generationId,
    'iothub-enqueuedtime': received.enqueuedTimeMs,
    'iothub-message-source': 'Telemetry',
  };
  const applicationProperties: Record<string, string | null> = {};
  if (received.bag !== '') sortProperties(decodePropertyBag(received.bag), { systemProperties, applicationProperties });
  if (received.retain) applicationProperties['mqtt-retain'] = 'true';
  if (received.isWill) applicationProperties['iothub-MessageType'] = 'Will';
  return {
    sequenceNumber,
    deviceId,
    ...(moduleId !== undefined && { moduleId }),
    enqueuedTimeMs: received.enqueuedTimeMs,
    systemProperties,
    applicationProperties,
    // A copy of its own: the payload is a view of a whole network buffer, which would be kept with it.
    body: new Uint8Array(received.payload),
  };
}

/** JSON text; the scope of a module's own key is assumed to be `module`. */
function authenticationMethod({ identity, authenticationMethod: method }: ReceivedTelemetry): string {
  const known = authenticationMethods[method];
  return identity.moduleId === undefined ? known : known.replace('"scope":"device"', '"scope":"module"');
}

/** Roughly what a message costs in memory. */
export function telemetrySize(message: TelemetryMessage): number {
  return message.body.length + 1024;
}

function sortProperties(
  bag: PropertyBag,
  {
    systemProperties,
    applicationProperties,
  }: {
    readonly systemProperties: Record<string, string | number>;
    readonly applicationProperties: Record<string, string | null>;
  },
): void {
  for (const [key, value] of bag) {
    const name = systemKeys.get(key);
    if (name !== undefined) systemProperties[name] = value ?? '';
    else define(applicationProperties, key === '$.ctime' ? 'iothub-creation-time-utc' : key, value);
  }
}

/** A device may call a property `__proto__`. */
function define(properties: Record<string, string | null>, key: string, value: string | null): void {
  if (key in properties)
    Object.defineProperty(properties, key, { value, enumerable: true, configurable: true, writable: true });
  else properties[key] = value;
}
