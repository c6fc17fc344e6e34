import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { putIndividualEnrollment } from '@contoso/dps-admin';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { dpsName, startContoso, type Contoso } from './contoso.ts';
import { contosoDevice, deviceFolder, said, startService, type DeviceFolder } from './service-process.ts';

let contoso: Contoso;

/** A custom allocation: it keeps what devices send along, and assigns the only hub there is. */
const payloads: unknown[] = [];
const webhook = createServer((request, response) => {
  void json(request).then((asked) => {
    const { deviceRuntimeContext, linkedHubs } = asked as {
      readonly deviceRuntimeContext: { readonly payload?: unknown };
      readonly linkedHubs: readonly string[];
    };
    payloads.push(deviceRuntimeContext.payload);
    response.end(JSON.stringify({ iotHubHostName: linkedHubs[0] }));
  });
});

beforeAll(async () => {
  contoso = await startContoso();
  await once(webhook.listen(0, '127.0.0.1'), 'listening');
});

afterEach(() => void payloads.splice(0));

afterAll(async () => {
  webhook.closeAllConnections();
  webhook.close();
  await contoso.close();
});

const certificateOf = async ({ path }: DeviceFolder): Promise<string> => readFile(path('device.chain.pem'), 'utf8');

/** `dps-admin` takes addresses that begin with `https://` alone, as Azure's functions have. */
async function enrollWithWebhook(registrationId: string, chainPem: string): Promise<void> {
  const { session } = contoso;
  const certificate = new X509Certificate(chainPem).raw.toString('base64');
  await session.provisioningService.send({
    task: { doing: 'enroll', subject: 'enrollment' },
    method: 'PUT',
    url: `https://${dpsName}.${session.cloud.provisioningServiceSuffix}/enrollments/${registrationId}?api-version=2021-10-01`,
    body: {
      registrationId,
      attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate } } } },
      allocationPolicy: 'custom',
      customAllocationDefinition: {
        webhookUrl: `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/allocate`,
        apiVersion: '2021-10-01',
      },
    },
  });
}

describe('a provisioning payload in the configuration', () => {
  it('goes to DPS with the service, with doctor and with provision', async () => {
    const device = await deviceFolder(contoso, 'webhook');
    const provisioningPayload = { model: 'T1', floors: [1, 2] };
    await device.configure({ provisioningPayload });
    await enrollWithWebhook('webhook', await certificateOf(device));
    expect((await contosoDevice(['doctor', '--config', device.configFile])).code).toBe(0);
    expect((await contosoDevice(['provision', '--config', device.configFile])).code).toBe(0);
    const service = startService(device.configFile);
    await service.record(said('Connected: ConnectionOk'));
    expect(await service.end('SIGTERM')).toBe(0);
    expect(payloads).toEqual([provisioningPayload, provisioningPayload, provisioningPayload]);
  });
});

describe('a service that is refused', () => {
  const disable = async (registrationId: string, device: DeviceFolder): Promise<void> => {
    const certificatePem = await certificateOf(device);
    const enrollment = { dpsName, registrationId, certificatePem, provisioningStatus: 'disabled' } as const;
    await putIndividualEnrollment(contoso.session, enrollment);
  };

  it('asks again later', async () => {
    const device = await deviceFolder(contoso, 'refused');
    await disable('refused', device);
    const service = startService(device.configFile);
    expect(await service.record(said('trying again later'))).toMatchObject({
      cause: { code: 'ERR_AGENT_DPS_REFUSED' },
    });
    expect(await service.end('SIGTERM')).toBe(0);
  });

  it('ends with onRefusal "end", with the code that keeps systemd from starting it again', async () => {
    const device = await deviceFolder(contoso, 'refused-for-good');
    await disable('refused-for-good', device);
    await device.configure({ onRefusal: 'end' });
    const { code, stderr } = await contosoDevice(['run', '--config', device.configFile]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('ERR_AGENT_DPS_REFUSED') as unknown });
  });
});
