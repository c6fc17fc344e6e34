import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AzureIotEmulator } from '../src/index.ts';
import { dialDps, registerOverMqtt, startSeeded } from './data-bed.ts';
import { callHttps } from './start-https.ts';

describe('faults at DPS and of the server certificate', () => {
  let emulator: AzureIotEmulator;
  beforeAll(async () => {
    emulator = await startSeeded();
  });
  afterEach(() => emulator.faults.clear());
  afterAll(() => emulator.close());

  const register = () =>
    callHttps(emulator, {
      method: 'PUT',
      host: 'global.azure-devices-provisioning.localhost',
      path: `/${emulator.dps('dps-1').idScope}/registrations/d9/register?api-version=2019-03-31`,
      headers: { 'content-type': 'application/json' },
      body: { registrationId: 'd9' },
    });

  it('ok: 429 and 5xx with retry-after, over MQTT and HTTP, for one registration ID', async () => {
    emulator.faults.add({ kind: 'throttle', dps: 'dps-1', deviceId: 'd9', retryAfterSeconds: 3 });
    const { status, headers, body } = await register();
    expect([status, headers['retry-after'], body]).toEqual([429, '3', expect.objectContaining({ errorCode: 429001 })]);
    const device = await dialDps(emulator, 'd9');
    expect(await registerOverMqtt(device, 'd9')).toBe('$dps/registrations/res/429/?$rid=r1&retry-after=3');
    emulator.faults.clear();
    emulator.faults.add({ kind: 'serverError', status: 500, dps: 'dps-1' });
    expect(await registerOverMqtt(device, 'd9')).toBe('$dps/registrations/res/500/?$rid=r1');
    emulator.faults.clear();
    expect(await registerOverMqtt(device, 'd9')).toMatch(/^\$dps\/registrations\/res\/401\//);
    device.destroy();
  });

  it('ok: DPS down: what is connected is dropped, nothing answers; hubs do', async () => {
    const device = await dialDps(emulator, 'd9');
    emulator.faults.add({ kind: 'dpsDown' });
    await device.ended;
    await expect(register()).rejects.toThrow();
    await expect(dialDps(emulator, 'd9')).rejects.toThrow();
    expect(
      (await callHttps(emulator, { method: 'GET', host: emulator.hub('hub-1').hostName, path: '/devices/d1' })).status,
    ).toBe(401);
  });

  const handshake = async (servername: string): Promise<string> => {
    const socket = connectTls({
      host: '127.0.0.1',
      port: emulator.mqttPort,
      servername,
      ca: emulator.cloud.trustedRootsPem,
    });
    try {
      await once(socket, 'secureConnect');
      return 'trusted';
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    } finally {
      socket.destroy();
    }
  };

  it.each([
    ['expired', 'CERT_HAS_EXPIRED'],
    ['wrongName', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['otherRoot', 'SELF_SIGNED_CERT_IN_CHAIN'],
  ] as const)('ok: a server certificate that is %s, for one name', async (problem, code) => {
    const remove = emulator.faults.add({ kind: 'certificate', problem, host: 'hub-1.azure-devices.localhost' });
    expect(await handshake('hub-1.azure-devices.localhost')).toBe(code);
    expect(await handshake('hub-2.azure-devices.localhost')).toBe('trusted');
    remove();
    expect(await handshake('hub-1.azure-devices.localhost')).toBe('trusted');
  });
});
