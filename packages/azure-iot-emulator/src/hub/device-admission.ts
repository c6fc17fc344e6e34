import type { ConnectRefusal, MqttConnect } from '../mqtt/service.ts';
import { checkAccess } from './device-access.ts';
import type { HubAccess } from './hub-access.ts';
import type { HubAssumptions } from './hub-assumptions.ts';
import { type ClientName, describeClient, type Device, type Module } from './hub-client.ts';
import { HubError } from './hub-error.ts';
import type { HubQuotas } from './hub-quotas.ts';
import type { DeviceRegistry } from './device-registry.ts';
import type { AuthenticationMethod } from './telemetry.ts';

/** The hub as the admission needs it. */
export interface AdmissionHost {
  readonly name: string;
  readonly now: () => number;
  readonly registry: DeviceRegistry;
  readonly access: HubAccess;
  readonly assumptions: HubAssumptions;
  readonly quotas: HubQuotas;
  readonly isOwnHost: (hostName: string) => boolean;
  readonly isClosed: () => boolean;
}

/** A client that may come in. */
export interface Admitted {
  readonly client: Device | Module;
  readonly method: AuthenticationMethod;
  /** When its connection has to end, in milliseconds since 1970. */
  readonly expiresMs: number | undefined;
}

/** With which CONNACK code a client is refused (MQTT 3.1.1 section 3.2.2.3), and why, for the log. */
export interface Refused {
  readonly refusal: ConnectRefusal;
  readonly reason: string;
}

/** Lets a device or module in, or says why not. */
export async function admit(host: AdmissionHost, name: ClientName, connect: MqttConnect): Promise<Admitted | Refused> {
  const throttled = await throttle(host.quotas);
  if (throttled) return throttled;
  if (host.isClosed()) return { refusal: 5, reason: `hub ${host.name} is deleted` };
  const who = describeClient(typeof name === 'string' ? { deviceId: name, moduleId: undefined } : name);
  const client = host.registry.find(name);
  if (!client) return { refusal: 5, reason: `${who} is not registered at hub ${host.name}` };
  const { authorities, localAuthentication, policies } = host.access;
  const access = checkAccess({
    identity: client.identity,
    connect,
    authorities,
    policies,
    isOwnHost: host.isOwnHost,
    nowMs: host.now(),
  });
  if ('problem' in access) return { refusal: 5, reason: `${who}: ${access.problem}` };
  const isSas = access.method !== 'x509';
  if (isSas && localAuthentication[client.identity.moduleId === undefined ? 'disableDeviceSas' : 'disableModuleSas']) {
    return {
      refusal: 5,
      reason: `${who}: hub ${host.name} takes no shared access signatures from it, only certificates`,
    };
  }
  const device = 'device' in client ? client.device : client;
  if (device.identity.status === 'disabled') return { refusal: 5, reason: `${who} is disabled` };
  const { expiredToken, expiredCertificate } = host.assumptions;
  const ends = (isSas ? expiredToken : expiredCertificate) === 'disconnect';
  return { client, method: access.method, expiresMs: ends ? access.expiresMs : undefined };
}

/** Too many new connections are told that the server is unavailable. */
async function throttle(quotas: HubQuotas): Promise<Refused | undefined> {
  try {
    await quotas.pass('connections');
    return undefined;
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    return { refusal: 3, reason: error.message };
  }
}
