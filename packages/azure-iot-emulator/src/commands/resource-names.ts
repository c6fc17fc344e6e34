import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { json } from 'node:stream/consumers';
import type { EmulatorCloud } from '../cloud.ts';
import { EmulatorError } from '../errors.ts';

/** Names of what a running emulator has. */
export interface ResourceNames {
  readonly hubs: readonly string[];
  readonly dps: readonly string[];
}

/**
 * Asks Resource Manager, as any client would.
 *
 * @throws {EmulatorError} ERR_EMULATOR_CLOUD_FILE: nobody answers there, or another emulator does
 */
export async function listResourceNames(cloud: EmulatorCloud): Promise<ResourceNames> {
  const { tenantId, clientId, clientSecret } = cloud.servicePrincipal;
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
    scope: `${cloud.resourceManagerAudience}/.default`,
  });
  const { access_token: token } = (await call(cloud, {
    method: 'POST',
    path: `/${tenantId}/oauth2/v2.0/token`,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  })) as { access_token: string };
  const list = async (type: string, version: string): Promise<string[]> => {
    const { value } = (await call(cloud, {
      method: 'GET',
      path: `/subscriptions/${cloud.subscriptionId}/providers/Microsoft.Devices/${type}?api-version=${version}`,
      headers: { Authorization: `Bearer ${token}` },
    })) as { value: readonly { readonly name: string }[] };
    return value.map(({ name }) => name);
  };
  return { hubs: await list('IotHubs', '2021-07-02'), dps: await list('provisioningServices', '2021-10-15') };
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function call({ ports, trustedRootsPem }: EmulatorCloud, { body, headers, ...options }: Call): Promise<unknown> {
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(
        {
          ...options,
          headers: { host: `localhost:${ports.https}`, ...headers },
          host: ports.address ?? '127.0.0.1',
          servername: 'localhost',
          port: ports.https,
          ca: trustedRootsPem,
          agent: false,
        },
        resolve,
      );
      sent.once('error', reject);
      sent.end(body);
    });
    const answer = await json(response);
    if (response.statusCode === 200) return answer;
    throw new Error(`status ${response.statusCode ?? 0}`);
  } catch (cause) {
    throw new EmulatorError(
      'ERR_EMULATOR_CLOUD_FILE',
      `The emulator of the cloud file doesn't answer on port ${ports.https}; is it still running?`,
      { cause },
    );
  }
}
