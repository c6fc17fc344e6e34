import { writeFile } from 'node:fs/promises';
import { issueDeviceCertificate } from '@contoso/pki';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startContosoWithEst, type ContosoWithEst } from './est-server.ts';
import { startHttpProxy, type HttpProxy, type HttpProxyOptions } from './http-proxy.ts';
import { contosoDevice, deviceFolder, numberOf, said, startService, type RunningService } from './service-process.ts';
import { createToken, itSaysWhetherTokensWork, itWithToken } from './softhsm.ts';

let contoso: ContosoWithEst;

beforeAll(async () => {
  contoso = await startContosoWithEst({ validityDays: 100 });
});

const proxies: HttpProxy[] = [];

async function proxyWith(options: HttpProxyOptions): Promise<HttpProxy> {
  const proxy = await startHttpProxy(options);
  proxies.push(proxy);
  return proxy;
}

afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await contoso.close();
});

interface Told {
  readonly status: { readonly phase: string; readonly certificate: { readonly notAfter: string } };
  readonly metrics: string;
}

const connected = said('Connected: ConnectionOk');

/** What the service says of itself once there was such a line. */
async function told(service: RunningService, fits: Parameters<RunningService['record']>[0]): Promise<Told> {
  const { port } = await service.record(said('health and metrics'));
  await service.record(fits);
  const get = (page: string): Promise<Response> => fetch(`http://127.0.0.1:${Number(port)}/${page}`);
  const status = (await (await get('status')).json()) as Told['status'];
  return { status, metrics: await (await get('metrics')).text() };
}

describe('a service with renewal by EST, behind a proxy that wants a password', () => {
  it('shows the certificate in use in health and metrics: the new one, and after a restart too', async () => {
    const proxy = await proxyWith({ credentials: 'device:proxy-secret-81' });
    const { configFile, configure, path } = await deviceFolder(contoso, 'renewing');
    await writeFile(path('est.pem'), contoso.est.trustedRootsPem);
    await writeFile(path('proxy.password'), 'proxy-secret-81\n');
    await configure({
      health: { port: 0 },
      log: { level: 'debug' },
      proxy: { url: `http://127.0.0.1:${proxy.port}`, user: 'device', passwordFile: 'proxy.password' },
      renewal: {
        est: { url: contoso.est.url, trustedRootsFile: 'est.pem' },
        onboardingOnly: true,
        keyAlgorithm: 'P-384',
      },
    });
    const service = startService(configFile);
    const renewed = await service.record(said('certificate renewed'));
    const { notAfter } = renewed['certificate'] as { readonly notAfter: string };
    expect(Date.parse(notAfter) - Date.now()).toBeLessThan(101 * 86_400_000);
    const first = await told(service, said('certificate renewed'));
    expect(first.status).toMatchObject({ certificate: { notAfter } });
    const expiry = 'contoso_device_certificate_expiry_timestamp_seconds';
    expect({
      expiry: numberOf(first.metrics, expiry),
      renewals: numberOf(first.metrics, 'contoso_device_certificate_renewals_total'),
    }).toEqual({ expiry: Date.parse(notAfter) / 1_000, renewals: 1 });
    expect(await service.end('SIGTERM')).toBe(0);

    const again = startService(configFile);
    const second = await told(again, connected);
    expect(second.status).toMatchObject({ phase: 'connected', certificate: { notAfter } });
    expect({
      expiry: numberOf(second.metrics, expiry),
      connected: numberOf(second.metrics, 'contoso_device_phase{state="connected"'),
      transitions: numberOf(second.metrics, 'contoso_device_transitions_total{from="connecting",to="connected"'),
    }).toEqual({ expiry: Date.parse(notAfter) / 1_000, connected: 1, transitions: 1 });
    expect(await again.end('SIGTERM')).toBe(0);

    expect(new Set(proxy.targets.map((target) => target.split(':')[0]))).toEqual(
      new Set([contoso.azure.cloud.provisioningDeviceEndpoint.split(':')[0], hubName(), 'localhost']),
    );
    expect(service.text() + again.text()).not.toContain('proxy-secret-81');
  });
});

const hubName = (): string => contoso.hub.hostName.split(':')[0] ?? '';

describe('a service with transport auto', () => {
  it('takes WebSocket on 443 where a proxy lets nothing else through', async () => {
    const { configFile, configure } = await deviceFolder(contoso, 'cornered');
    expect((await contosoDevice(['provision', '--config', configFile])).code).toBe(0);
    const proxy = await proxyWith({ ports: { 443: Number(contoso.hub.hostName.split(':')[1]) } });
    await configure({
      connectTo: { hostName: hubName(), deviceId: 'cornered' },
      proxy: { url: `http://127.0.0.1:${proxy.port}` },
    });
    const service = startService(configFile);
    expect(await service.record(said('trying again later'))).toMatchObject({
      cause: { code: 'ERR_AGENT_HUB_UNREACHABLE', failure: 'proxy' },
    });
    await service.record(connected);
    expect(proxy.targets).toEqual([`${hubName()}:8883`, `${hubName()}:443`]);
    expect(await service.end('SIGTERM')).toBe(0);
  });
});

describe('a service whose key is in a token', () => {
  itSaysWhetherTokensWork();

  itWithToken('connects with it, and its PIN is in no text', async () => {
    const token = await createToken();
    const { configFile, configure, path } = await deviceFolder(contoso, 'tokened');
    const { chainPem, privateKeyPem } = await issueDeviceCertificate(contoso.line, { registrationId: 'tokened' });
    await token.importKey('device', privateKeyPem);
    await writeFile(path('device.chain.pem'), chainPem);
    await writeFile(path('pin'), `${token.pin}\n`, { mode: 0o600 });
    const pkcs11 = { uri: token.uri('device'), modulePath: token.modulePath };
    for (const pin of [{ pinFile: 'pin' }, { pinVariable: 'TOKEN_PIN' }]) {
      await configure({ identity: { chainFile: 'device.chain.pem', pkcs11: { ...pkcs11, ...pin } } });
      const service = startService(configFile, { ...token.env, TOKEN_PIN: token.pin });
      await service.record(connected);
      expect(await service.end('SIGTERM')).toBe(0);
      expect(service.text()).not.toContain(token.pin);
    }
    await writeFile(path('wrong'), '0000');
    await configure({ identity: { chainFile: 'device.chain.pem', pkcs11: { ...pkcs11, pinFile: 'wrong' } } });
    const { code, stderr } = await contosoDevice(['run', '--config', configFile], token.env);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('ERR_AGENT_PASSWORD') as unknown });
    await token.remove();
  });
});
