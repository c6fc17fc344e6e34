import type { SecureContext } from 'node:tls';
import { MqttBase } from 'azure-iot-mqtt-base';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { lookupWithLoopbackNames } from '../network/loopback-names.ts';

/** MQTT 3.1.1 over TLS on port 8883, or over WebSocket on port 443 where 8883 is blocked. A host that names its port keeps it. */
export type Transport = 'mqtt' | 'mqtt-websocket';

/** Why a connection could not be made, or ended. */
export type ConnectionFailure =
  | { readonly kind: 'refused'; readonly returnCode: number }
  | { readonly kind: 'untrusted-server'; readonly detail: string }
  | { readonly kind: 'network'; readonly detail: string };

/** One connection for Microsoft's transports to run on, with what they don't pass on: the cause of a failure. */
export interface MqttConnection {
  /** Goes into the constructor of Microsoft's DPS and hub transports. */
  readonly base: MqttBase;
  /** The first failure seen, where there was one. */
  failure(): ConnectionFailure | undefined;
  /** Ends the socket without ceremony. */
  destroy(): void;
}

/**
 * @param onPublish - sees every PUBLISH before it is acknowledged; what it throws closes the connection unacknowledged
 */
export function createMqttConnection(
  secureContext: SecureContext,
  onPublish?: (topic: string, payload: Buffer) => void,
): MqttConnection {
  let client: MqttClient | undefined;
  let failure: ConnectionFailure | undefined;
  const connect = (uri: string, options: IClientOptions): MqttClient => {
    const tlsOptions = { secureContext, lookup: lookupWithLoopbackNames, noDelay: true };
    const opened = mqtt.connect(keepOwnPort(uri), {
      ...options,
      ...tlsOptions,
      wsOptions: { ...(options.wsOptions as object | undefined), ...tlsOptions },
    } as IClientOptions);
    const note = (error: Error): void => {
      failure ??= toFailure(error);
    };
    opened.on('error', note);
    // mqtt.js reports only some socket errors by itself; the rest are seen here.
    (opened as unknown as { stream: NodeJS.EventEmitter }).stream.on('error', note);
    if (onPublish) {
      opened.handleMessage = (packet, done) => {
        try {
          if (packet.cmd === 'publish') onPublish(packet.topic, Buffer.from(packet.payload));
        } catch (error) {
          note(error as Error);
          opened.end(true);
          return;
        }
        done();
      };
    }
    client = opened;
    return opened;
  };
  return { base: new MqttBase({ connect }), failure: () => failure, destroy: () => client?.end(true) };
}

/** Microsoft's WebSocket transports append `:443` to whatever host they get. */
function keepOwnPort(uri: string): string {
  return uri.replace(/^(wss:\/\/[^/]+:\d+):443\//, '$1/');
}

const untrusted = /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH)/;

function toFailure(error: Error & { code?: unknown }): ConnectionFailure {
  const { code, message } = error;
  if (typeof code === 'number') return { kind: 'refused', returnCode: code };
  if (typeof code === 'string' && untrusted.test(code))
    return { kind: 'untrusted-server', detail: `${message} (${code})` };
  return {
    kind: 'network',
    detail: typeof code === 'string' && !message.includes(code) ? `${message} (${code})` : message,
  };
}
