import { once } from 'node:events';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AzureIotEmulator } from '../src/index.ts';
import { connectDevice, connectPacket, dialHub, startSeeded } from './data-bed.ts';
import { callHttps } from './start-https.ts';

const hourMs = 3_600_000;

describe('an emulator’s time, moved', () => {
  let emulator: AzureIotEmulator;
  beforeAll(async () => {
    emulator = await startSeeded();
  });
  afterAll(() => emulator.close());

  it('ok: a device’s token runs out, and its connection with it, though no time goes by', async () => {
    const device = await connectDevice(emulator, 'd1');
    await device.ping();
    emulator.clock.advance(2 * hourMs);
    await device.ended;
    expect(emulator.hub('hub-1').isConnected('d1')).toBe(false);
  });

  it('ok: a token that is good by the system’s clock is refused by the emulator’s', async () => {
    const device = await dialHub(emulator);
    const expiry = Math.floor(Date.now() / 1000) + 1800;
    expect((await device.connect(connectPacket(emulator, 'd1', { expiry }))).returnCode).toBe(5);
  });

  it('ok: a message to a device outlives its time, and its sender is told', () => {
    const hub = emulator.hub('hub-1');
    const { messageId } = hub.sendToDevice('d2', { body: Buffer.from('late'), ack: 'full' });
    expect(hub.twinOf('d2')).toMatchObject({ cloudToDeviceMessageCount: 1 });
    emulator.clock.advance(hourMs + 1);
    expect(hub.twinOf('d2')).toMatchObject({ cloudToDeviceMessageCount: 0 });
    expect(hub.feedback.list().at(-1)).toMatchObject({ originalMessageId: messageId, statusCode: 'Expired' });
  });

  it('ok: a message that isn’t acknowledged comes again when its lock of a minute has run out', async () => {
    const hub = emulator.hub('hub-1');
    const device = await connectDevice(emulator, 'd2');
    await device.subscribe('devices/d2/messages/devicebound/#');
    hub.sendToDevice('d2', { body: Buffer.from('twice') });
    const first = await device.next('publish');
    emulator.clock.advance(60_001);
    const second = await device.next('publish');
    expect([first.dup, second.dup, second.messageId === first.messageId]).toEqual([false, true, true]);
    device.send({ cmd: 'puback', messageId: second.messageId ?? 0 });
    await device.ping();
    expect(hub.twinOf('d2')).toMatchObject({ cloudToDeviceMessageCount: 0 });
    device.destroy();
  });

  it('ok: the server certificate is renewed under its root before it ends by the emulator’s clock', async () => {
    const validTo = async (): Promise<number> => {
      const socket = connect({
        host: '127.0.0.1',
        port: emulator.httpsPort,
        servername: 'localhost',
        ca: emulator.cloud.trustedRootsPem,
      });
      await once(socket, 'secureConnect');
      const end = Date.parse(socket.getPeerCertificate().valid_to);
      socket.destroy();
      return end;
    };
    const dayMs = 86_400_000;
    const before = emulator.clock.nowMs;
    expect(await validTo()).toBeLessThan(before + 367 * dayMs);
    emulator.clock.advance(400 * dayMs);
    expect(await validTo()).toBeGreaterThan(before + 700 * dayMs);
    emulator.clock.set(before);
  });

  it('ok: an access token of Entra ID runs out after its hour', async () => {
    const { clientId, clientSecret, tenantId, subscriptionId } = emulator;
    const granted = await callHttps(emulator, {
      method: 'POST',
      path: `/${tenantId}/oauth2/v2.0/token`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: String(
        new URLSearchParams({
          grant_type: 'client_credentials',
          client_id: clientId,
          client_secret: clientSecret,
          scope: 'https://management.azure.com/.default',
        }),
      ),
    });
    const { access_token: token } = granted.body as { access_token: string };
    const ask = async () =>
      (
        await callHttps(emulator, {
          method: 'GET',
          path: `/subscriptions/${subscriptionId}?api-version=2021-01-01`,
          headers: { authorization: `Bearer ${token}` },
        })
      ).status;
    expect(await ask()).toBe(200);
    emulator.clock.advance(hourMs + 1000);
    expect(await ask()).toBe(401);
  });

  it('ok: connections’ keep-alive goes by the system’s time, unless it is asked to follow', async () => {
    const device = await connectDevice(emulator, 'd2', {
      expiry: Math.floor(emulator.clock.nowMs / 1000) + 90 * 86_400,
    });
    emulator.clock.advance(10 * hourMs);
    await device.ping();
    device.destroy();
    const following = await startSeeded({ keepAliveFollowsClock: true });
    const other = await connectDevice(following, 'd2', { keepalive: 30 });
    following.clock.advance(46_000);
    await other.ended;
    await following.close();
  });

  it('ok: an emulator starts at another time', async () => {
    const early = await startSeeded({ time: new Date('2030-01-01T00:00:00Z') });
    expect(early.clock.nowMs).toBeGreaterThanOrEqual(Date.UTC(2030, 0, 1));
    expect(early.clock.nowMs).toBeLessThan(Date.UTC(2030, 0, 1, 0, 1));
    await early.close();
  });
});
