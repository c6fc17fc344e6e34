import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { generate } from 'mqtt-packet';
import type { AzureIotEmulator, IotHub } from '../src/index.ts';
import { connectDevice, connectPacket, dialHub, startSeeded } from './data-bed.ts';
import { callHttps } from './start-https.ts';
import { signToken } from './hub-token.ts';

const wait = { timeoutMs: 5000 };

describe('faults on the way to a hub', () => {
  let emulator: AzureIotEmulator;
  let hub: IotHub;
  beforeAll(async () => {
    emulator = await startSeeded();
    hub = emulator.hub('hub-1');
  });
  afterEach(() => emulator.faults.clear());
  afterAll(() => emulator.close());

  const serviceCall = (path = '/devices/d1', method = 'GET', body?: object) => {
    const key = hub.sharedAccessPolicies[0]?.primaryKey ?? '';
    const authorization = signToken({ resource: 'hub-1.azure-devices.localhost', key, policy: 'iothubowner' });
    return callHttps(emulator, {
      method,
      host: hub.hostName,
      path: `${path}?api-version=2021-04-12`,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body && { body }),
    });
  };

  it('ok: drop cuts what is connected and refuses to connect, the one device alone, until it is removed', async () => {
    const [one, two] = [await connectDevice(emulator, 'd1'), await connectDevice(emulator, 'd2')];
    const remove = emulator.faults.add({ kind: 'drop', deviceId: 'd1' });
    await one.ended;
    await two.ping();
    const again = await dialHub(emulator);
    again.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, ...connectPacket(emulator, 'd1') });
    await again.ended;
    await expect(serviceCall()).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect((await serviceCall('/devices/d2')).status).toBe(200);
    remove();
    (await connectDevice(emulator, 'd1')).destroy();
    two.destroy();
  });

  it('ok: freeze holds everything back, and goes on where it was', async () => {
    const device = await connectDevice(emulator, 'd1');
    const remove = emulator.faults.add({ kind: 'freeze', hub: 'HUB-1' });
    device.send({
      cmd: 'publish',
      topic: 'devices/d1/messages/events/',
      payload: 'frozen',
      qos: 1,
      messageId: 9,
      dup: false,
      retain: false,
    });
    const answer = serviceCall();
    // A round trip through the same process, past the frozen ones.
    expect((await callHttps(emulator, { method: 'GET', path: '/emulator/health' })).body).toMatchObject({ faults: 1 });
    expect([device.unread, hub.telemetry.list().length]).toEqual([[], 0]);
    remove();
    expect(await device.next('puback')).toMatchObject({ messageId: 9 });
    expect((await answer).status).toBe(200);
    device.destroy();
  });

  it('ok: half open: the hub has let the device go, the device isn’t told', async () => {
    const device = await connectDevice(emulator, 'd1');
    const remove = emulator.faults.add({ kind: 'halfOpen', deviceId: 'd1' });
    expect(await hub.waitForDisconnection('d1', wait)).toBe(true);
    device.send({ cmd: 'pingreq' });
    await callHttps(emulator, { method: 'GET', path: '/emulator/ready' });
    expect([device.unread, device.stream.destroyed]).toEqual([[], false]);
    remove();
    await device.ended;
  });

  it('ok: a black hole swallows what is sent, and the hub believes that the device is there', async () => {
    const device = await connectDevice(emulator, 'd1');
    const before = hub.telemetry.lastSequenceNumber;
    const remove = emulator.faults.add({ kind: 'blackHole', deviceId: 'd1' });
    device.send({
      cmd: 'publish',
      topic: 'devices/d1/messages/events/',
      payload: 'lost',
      qos: 1,
      messageId: 3,
      dup: false,
      retain: false,
    });
    await callHttps(emulator, { method: 'GET', path: '/emulator/ready' });
    expect([device.unread, hub.telemetry.lastSequenceNumber, hub.isConnected('d1')]).toEqual([[], before, true]);
    remove();
    await device.ended;
  });

  it('ok: delay holds requests for a time of the emulator’s clock', async () => {
    emulator.faults.add({ kind: 'delay', delayMs: 3_600_000, deviceId: 'd1' });
    let isAnswered = false;
    const answer = serviceCall().then((reply) => {
      isAnswered = true;
      return reply;
    });
    while (emulator.faults.list()[0]?.met === 0) await serviceCall('/devices/d2');
    expect(isAnswered).toBe(false);
    emulator.clock.advance(3_600_000);
    expect((await answer).status).toBe(200);
    emulator.clock.reset();
  });

  it('ok: throttle answers 429 with Retry-After, over HTTP and to a device’s twin request', async () => {
    emulator.faults.add({ kind: 'throttle', hub: 'hub-1', retryAfterSeconds: 7, times: 2 });
    const { status, headers, body } = await serviceCall();
    expect([status, headers['retry-after'], (body as { Message: string }).Message]).toEqual([
      429,
      '7',
      expect.stringContaining('ThrottlingException'),
    ]);
    expect((await serviceCall()).status).toBe(429);
    expect((await serviceCall()).status).toBe(200);
    const device = await connectDevice(emulator, 'd1');
    await device.subscribe('$iothub/twin/res/#');
    emulator.faults.add({ kind: 'throttle', deviceId: 'd1' });
    device.send({ cmd: 'publish', topic: '$iothub/twin/GET/?$rid=5', payload: '', qos: 0, dup: false, retain: false });
    expect((await device.next('publish')).topic).toBe('$iothub/twin/res/429/?$rid=5');
    device.destroy();
  });

  it('ok: a server error has the status that was asked for; a share of requests is the same for the same seed', async () => {
    const statuses = async (seed: number): Promise<number[]> => {
      const remove = emulator.faults.add({ kind: 'serverError', status: 503, share: 0.4, seed });
      const found: number[] = [];
      for (let index = 0; index < 12; index += 1) found.push((await serviceCall()).status);
      remove();
      return found;
    };
    const first = await statuses(1);
    expect(new Set(first)).toEqual(new Set([200, 503]));
    expect(await statuses(1)).toEqual(first);
    expect(await statuses(2)).not.toEqual(first);
  });

  it('ok: hub down and failover: connections drop, nothing answers, and the same name answers again afterwards', async () => {
    const device = await connectDevice(emulator, 'd1');
    emulator.faults.add({ kind: 'failover', hub: 'hub-1', durationMs: 600_000 });
    await device.ended;
    await expect(serviceCall()).rejects.toThrow();
    emulator.clock.advance(600_000);
    expect(emulator.faults.list()).toEqual([]);
    expect((await serviceCall()).status).toBe(200);
    const again = await connectDevice(emulator, 'd1');
    const remove = emulator.faults.add({ kind: 'hubDown' });
    await again.ended;
    remove();
    (await connectDevice(emulator, 'd1')).destroy();
    emulator.clock.reset();
  });

  it('ok: a device is disabled in the middle of its session, and enabled again', async () => {
    const device = await connectDevice(emulator, 'd1');
    const remove = emulator.faults.add({ kind: 'deviceDisabled', deviceId: 'd1' });
    await device.ended;
    const refused = await dialHub(emulator);
    expect((await refused.connect(connectPacket(emulator, 'd1'))).returnCode).toBe(5);
    remove();
    (await connectDevice(emulator, 'd1')).destroy();
  });

  it('ok: clock skew: the hub takes a good token for one that has run out', async () => {
    const packet = connectPacket(emulator, 'd1');
    const remove = emulator.faults.add({ kind: 'clockSkew', skewMs: 3 * 3_600_000 });
    const refused = await dialHub(emulator);
    expect((await refused.connect(packet)).returnCode).toBe(5);
    remove();
    const device = await dialHub(emulator);
    expect((await device.connect(packet)).returnCode).toBe(0);
    device.destroy();
  });

  it('ok: the day’s quota is used up: telemetry ends the connection, sends answer 403002', async () => {
    const device = await connectDevice(emulator, 'd1');
    emulator.faults.add({ kind: 'quotaExceeded', hub: 'hub-1' });
    device.send({
      cmd: 'publish',
      topic: 'devices/d1/messages/events/',
      payload: 'x',
      qos: 1,
      messageId: 1,
      dup: false,
      retain: false,
    });
    await device.ended;
    const { status, body } = await serviceCall('/devices/d1/messages/devicebound', 'POST', { body: 'x' });
    expect([status, (body as { Message: string }).Message]).toEqual([
      403,
      expect.stringContaining('IotHubQuotaExceeded'),
    ]);
  });

  it('ok: telemetry is lost before or after its acknowledgement, or the acknowledgement is', async () => {
    const send = async (
      payload: string,
      loss: 'beforeAcknowledgement' | 'afterAcknowledgement' | 'acknowledgement',
    ) => {
      const before = hub.telemetry.lastSequenceNumber;
      const device = await connectDevice(emulator, 'd1');
      emulator.faults.add({ kind: 'messageLost', message: 'telemetry', loss, times: 1 });
      const acknowledged = await device.publish('devices/d1/messages/events/', payload).then(
        () => true,
        () => false,
      );
      device.destroy();
      return { acknowledged, kept: hub.telemetry.lastSequenceNumber - before };
    };
    expect(await send('a', 'beforeAcknowledgement')).toEqual({ acknowledged: false, kept: 0 });
    expect(await send('b', 'afterAcknowledgement')).toEqual({ acknowledged: true, kept: 0 });
    expect(await send('c', 'acknowledgement')).toEqual({ acknowledged: false, kept: 1 });
  });

  it('ok: what was sent behind a lost message doesn’t overtake it', async () => {
    const before = hub.telemetry.lastSequenceNumber;
    const device = await connectDevice(emulator, 'd1');
    emulator.faults.add({ kind: 'messageLost', message: 'telemetry', loss: 'acknowledgement', times: 1 });
    const topic = 'devices/d1/messages/events/';
    const packets = [1, 2, 3].map((messageId) =>
      generate({ cmd: 'publish', topic, payload: String(messageId), qos: 1, messageId, dup: false, retain: false }),
    );
    device.stream.write(Buffer.concat(packets));
    await device.ended;
    expect(hub.telemetry.list(before).map(({ body }) => Buffer.from(body).toString())).toEqual(['1']);
  });

  it('ok: so are messages to devices', async () => {
    const device = await connectDevice(emulator, 'd2', { clean: true });
    await device.subscribe('devices/d2/messages/devicebound/#');
    const deliver = (loss: 'beforeAcknowledgement' | 'afterAcknowledgement' | 'acknowledgement'): number => {
      emulator.faults.add({ kind: 'messageLost', message: 'cloudToDevice', loss, times: 1 });
      hub.sendToDevice('d2', { body: Buffer.from(loss) });
      return hub.registry.require('d2').messages.count(hub.now());
    };
    expect(deliver('beforeAcknowledgement')).toBe(1);
    emulator.clock.advance(60_001);
    const again = await device.next('publish');
    expect([String(again.payload), again.dup]).toEqual(['beforeAcknowledgement', true]);
    device.send({ cmd: 'puback', messageId: again.messageId ?? 0 });
    await device.ping();
    deliver('afterAcknowledgement');
    await device.ping();
    expect([device.unread, hub.registry.require('d2').messages.count(hub.now())]).toEqual([[], 0]);
    deliver('acknowledgement');
    const first = await device.next('publish');
    device.send({ cmd: 'puback', messageId: first.messageId ?? 0 });
    await device.ping();
    expect(hub.registry.require('d2').messages.count(hub.now())).toBe(1);
    device.destroy();
    emulator.clock.reset();
  });

  it.each([
    [{ kind: 'explode' }, /kind: expected one of drop, .*found "explode"/],
    [{ kind: 'delay' }, /delayMs of delay: expected a number from 0 .*found nothing/],
    [{ kind: 'drop', share: 2 }, /share of drop: expected a number above 0 to 1, found 2/],
    [{ kind: 'drop', sharing: 1 }, /sharing of drop: expected only hub, .*found 'sharing'/],
    [{ kind: 'certificate', problem: 'old' }, /problem of certificate: expected one of expired, wrongName, otherRoot/],
  ])('fail: %j says what is wrong with it', (fault, message) => {
    expect(() => emulator.faults.add(fault as never)).toThrow(
      expect.objectContaining({
        code: 'ERR_EMULATOR_FAULT',
        message: expect.stringMatching(message) as unknown as string,
      }),
    );
    expect(emulator.faults.list()).toEqual([]);
  });
});
