import { type Answer, callHttps } from './start-https.ts';
import type { DeviceCredentials, DpsFixture } from './dps-fixture.ts';

/** Calls DPS's device API over HTTP with a client certificate, as a device without an SDK would. */
export function callDeviceApi(
  { emulator, idScope }: DpsFixture,
  device: DeviceCredentials,
  call: { readonly method: string; readonly path: string; readonly body?: unknown; readonly apiVersion?: string },
): Promise<Answer> {
  return callHttps(emulator, {
    method: call.method,
    host: emulator.cloud.provisioningDeviceEndpoint,
    path: `/${idScope}/registrations/${device.registrationId}${call.path}?api-version=${call.apiVersion ?? '2021-06-01'}`,
    headers: { 'Content-Type': 'application/json' },
    body: call.body,
    tls: { cert: device.cert, key: device.key },
  });
}

/** Registers over HTTP and polls once. */
export async function registerOverHttp(
  fixture: DpsFixture,
  device: DeviceCredentials,
  apiVersion?: string,
): Promise<Answer> {
  const version = apiVersion === undefined ? {} : { apiVersion };
  const accepted = await callDeviceApi(fixture, device, {
    method: 'PUT',
    path: '/register',
    body: { registrationId: device.registrationId },
    ...version,
  });
  if (accepted.status !== 202) return accepted;
  const { operationId } = accepted.body as { operationId: string };
  return callDeviceApi(fixture, device, { method: 'GET', path: `/operations/${operationId}`, ...version });
}

/** Calls DPS's service API with a bearer token, for what azure-iot-provisioning-service doesn't send. */
export async function callServiceApi(
  { emulator, clients, names }: DpsFixture,
  call: {
    readonly method: string;
    readonly path: string;
    readonly body?: unknown;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<Answer> {
  const { token } = await clients.credential.getToken('https://azure-devices-provisioning.net/.default');
  return callHttps(emulator, {
    method: call.method,
    host: `${names.dps}.${emulator.cloud.provisioningServiceSuffix}`,
    path: call.path.includes('?') ? call.path : `${call.path}?api-version=2021-10-01`,
    body: call.body,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', ...call.headers },
  });
}
