import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import type { AzureIotEmulator } from '../src/index.ts';
import { connectDevice, startSeeded } from './data-bed.ts';
import { signToken } from './hub-token.ts';
import { callHttps } from './start-https.ts';

describe('the log says of everything that is refused, why', () => {
  let emulator: AzureIotEmulator;
  const log: string[] = [];
  beforeAll(async () => {
    emulator = await startSeeded({ log: (line) => log.push(line) });
  });
  afterAll(() => emulator.close());

  const hubHost = (): string => emulator.hub('hub-1').hostName;
  const ofHub = (path: string, key?: string) => () =>
    callHttps(emulator, {
      method: 'GET',
      host: hubHost(),
      path: `${path}?api-version=2021-04-12`,
      headers: {
        authorization: signToken({
          resource: hubHost().replace(/:\d+$/, ''),
          key: key ?? emulator.hub('hub-1').sharedAccessPolicies[0]!.primaryKey,
          policy: 'iothubowner',
        }),
      },
    });
  const token = (form: Record<string, string>) => () =>
    callHttps(emulator, {
      method: 'POST',
      path: `/${emulator.tenantId}/oauth2/v2.0/token`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: String(new URLSearchParams({ grant_type: 'client_credentials', client_id: emulator.clientId, ...form })),
    });

  it.each<[string, () => Promise<{ status: number }>, number, RegExp]>([
    [
      'a device that isn’t there',
      ofHub('/devices/none'),
      404,
      /^hub service refused GET hub-1.*\/devices\/none: 404001/,
    ],
    [
      'a signature by another key',
      ofHub('/devices/d1', Buffer.alloc(32).toString('base64')),
      401,
      /401003 IotHubUnauthorized no key of policy 'iothubowner' made the signature \(tracking ID [0-9a-f]{32}\)/,
    ],
    ['a wrong client secret', token({ client_secret: 'S3cret' }), 401, /^Entra ID refused: AADSTS7000215 /],
    [
      'a host that the emulator doesn’t play',
      () => callHttps(emulator, { method: 'GET', path: '/', headers: { host: 'evil.example' } }),
      421,
      /^HTTP refused GET \/: The emulator does not play 'evil\.example'/,
    ],
    [
      'another site’s page',
      () => callHttps(emulator, { method: 'GET', path: '/x', headers: { origin: 'https://evil.example' } }),
      403,
      /^HTTP refused GET \/x: .* comes from 'https:\/\/evil\.example'/,
    ],
  ])('fail: %s', async (_name, call, status, line) => {
    log.splice(0);
    await expect(call()).resolves.toMatchObject({ status });
    expect(log).toEqual([expect.stringMatching(line)]);
    expect(log.join()).not.toContain('S3cret');
  });

  it('fail: a WebSocket for AMQP, reported properties that are no object, and a fault on request', async () => {
    log.splice(0);
    const socket = new WebSocket(`wss://127.0.0.1:${emulator.httpsPort}/$iothub/websocket`, ['AMQPWSB10'], {
      ca: emulator.cloud.trustedRootsPem,
    });
    await once(socket, 'unexpected-response');
    socket.on('error', () => undefined).terminate();
    const device = await connectDevice(emulator, 'd1');
    await device.subscribe('$iothub/twin/res/#');
    const topic = '$iothub/twin/PATCH/properties/reported/?$rid=1';
    device.send({ cmd: 'publish', topic, payload: '[]', qos: 0, dup: false, retain: false });
    await device.next('publish');
    device.destroy();
    emulator.faults.add({ kind: 'throttle', hub: 'hub-1', times: 1 });
    // The path has a malformed escape, which must not matter to the fault.
    await expect(ofHub('/devices/%zz')()).resolves.toMatchObject({ status: 429 });
    expect(log).toEqual(
      expect.arrayContaining([
        expect.stringContaining('WebSocket refused: the emulator speaks the subprotocol mqtt only; offered: AMQPWSB10'),
        expect.stringContaining('hub-1: device d1: twin request refused: 400'),
        expect.stringContaining('fault on request: throttle: GET /devices/%zz'),
      ]),
    );
  });
});
