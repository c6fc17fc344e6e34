import { once } from 'node:events';
import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { DeviceCredential } from '@contoso/pki';
import type { Cloud } from '../src/index.ts';

interface Registration {
  readonly status: number;
  /** `assigned`, or the refusal's error code. */
  readonly result: string;
  readonly assignedHub: string | undefined;
}

/**
 * Registers a device at DPS over its HTTPS device API, as a device does: certificate, chain and key in the TLS handshake.
 *
 * @see DPS device API 2021-06-01
 */
export async function registerDevice(
  cloud: Cloud,
  { idScope, device }: { readonly idScope: string; readonly device: DeviceCredential },
): Promise<Registration> {
  const path = `/${idScope}/registrations/${device.registrationId}`;
  const accepted = await call({
    cloud,
    device,
    method: 'PUT',
    path: `${path}/register`,
    body: { registrationId: device.registrationId },
  });
  let answer = accepted;
  while (answer.status === 202 || answer.body.status === 'assigning') {
    answer = await call({
      cloud,
      device,
      method: 'GET',
      path: `${path}/operations/${String(accepted.body.operationId)}`,
    });
  }
  const state = (answer.body.registrationState ?? {}) as Record<string, unknown>;
  return {
    status: answer.status,
    result: String(answer.body.status ?? answer.body.errorCode),
    assignedHub: typeof state.assignedHub === 'string' ? state.assignedHub : undefined,
  };
}

interface Call {
  readonly cloud: Cloud;
  readonly device: DeviceCredential;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

async function call({
  cloud,
  device,
  method,
  path,
  body,
}: Call): Promise<{ status: number; body: Record<string, unknown> }> {
  const [host = '', port = '443'] = cloud.provisioningDeviceEndpoint.split(':');
  const sent = request({
    host: 'localhost',
    servername: host,
    port,
    method,
    path: `${path}?api-version=2021-06-01`,
    ca: cloud.trustedRootsPem,
    key: device.privateKeyPem,
    cert: device.chainPem,
    headers: { Host: cloud.provisioningDeviceEndpoint, 'Content-Type': 'application/json' },
    agent: false,
  });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, body: JSON.parse(await text(answer)) as Record<string, unknown> };
}
