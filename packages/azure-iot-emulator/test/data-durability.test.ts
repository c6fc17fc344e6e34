import { mkdtemp, rm, writeFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startAzureIot } from '../src/index.ts';
import { seed } from './data-bed.ts';
import { type EmulatorProcess, startProcess } from './data-process.ts';
import { signToken } from './hub-token.ts';
import { RawClient } from './mqtt-raw-client.ts';

const key = Buffer.alloc(32, 7).toString('base64');
const device = {
  deviceId: 'd1',
  authentication: { type: 'sas', symmetricKey: { primaryKey: key, secondaryKey: key } },
};

/** What a client was told is done. */
interface Acknowledged {
  readonly telemetry: Set<string>;
  readonly devices: Set<string>;
  readonly messages: Set<string>;
  reported: number;
}

async function connect(emulator: EmulatorProcess): Promise<RawClient> {
  const host = 'hub-1.azure-devices.localhost';
  const client = await RawClient.overTls({
    port: emulator.mqttPort,
    ca: emulator.cloud.trustedRootsPem,
    servername: host,
  });
  const { returnCode } = await client.connect({
    clientId: 'd1',
    username: `${host}:${emulator.mqttPort}/d1/?api-version=2021-04-12`,
    password: Buffer.from(signToken({ resource: `${host}/devices/d1`, key })),
    clean: false,
  });
  expect(returnCode).toBe(0);
  await client.subscribe('$iothub/twin/res/#');
  return client;
}

/** Sends without waiting, and notes each acknowledgement, until the process is killed in the middle of it. */
async function work(emulator: EmulatorProcess, round: number, done: Acknowledged): Promise<void> {
  const client = await connect(emulator);
  const killAfter = done.telemetry.size + 40 + 17 * round;
  let sent = 0;
  const send = (): void => {
    const messageId = (sent % 60_000) + 1;
    const payload = `${round}-${sent}`;
    sent += 1;
    client.send({
      cmd: 'publish',
      topic: 'devices/d1/messages/events/',
      payload,
      qos: 1,
      messageId,
      dup: false,
      retain: false,
    });
    if (sent % 5 === 0) {
      const topic = `$iothub/twin/PATCH/properties/reported/?$rid=${round}-${sent}`;
      client.send({ cmd: 'publish', topic, payload: `{"count":${sent}}`, qos: 0, dup: false, retain: false });
    }
  };
  const service = callService(emulator, round, done);
  for (let index = 0; index < 25; index += 1) send();
  const devicesBefore = done.devices.size;
  while (done.telemetry.size < killAfter || done.devices.size < devicesBefore + 2) {
    const { messageId = 0 } = await client.next('puback');
    done.telemetry.add(`${round}-${messageId - 1}`);
    send();
  }
  // With what came in before the end: an answer that has arrived has been given.
  for (const packet of client.unread) {
    const topic = packet.cmd === 'publish' ? packet.topic : '';
    done.reported = Number(/204\/.*\$version=(\d+)/.exec(topic)?.[1] ?? done.reported);
  }
  await emulator.kill();
  await service.catch(() => undefined);
}

async function callService(emulator: EmulatorProcess, round: number, done: Acknowledged): Promise<void> {
  for (let index = 0; index < 50; index += 1) {
    const deviceId = `new-${round}-${index}`;
    const { status } = await emulator.callHub('PUT', `/devices/${deviceId}`, { deviceId });
    if (status === 200) done.devices.add(deviceId);
    const sentMessage = await emulator.callHub('POST', `/devices/${deviceId}/messages/devicebound`, { body: 'hello' });
    if (sentMessage.status === 201) done.messages.add(deviceId);
  }
}

describe('a data folder', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emulator-data-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('ok: kill -9 in the middle of the work loses nothing that was acknowledged, time after time', async () => {
    const data = join(folder, 'killed');
    const seedFile = join(folder, 'seed.json');
    await writeFile(seedFile, JSON.stringify({ hubs: [{ name: 'hub-1', devices: [device] }] }));
    const done: Acknowledged = { telemetry: new Set(), devices: new Set(), messages: new Set(), reported: 0 };
    let trusted: string | undefined;
    for (let round = 0; round < 5; round += 1) {
      const emulator = await startProcess('--data', data, '--seed', seedFile, '--mqtt-port', '0', '--https-port', '0');
      // Clients that trusted the emulator before do so again, and find it where it was.
      trusted ??= JSON.stringify(emulator.cloud);
      expect(JSON.stringify(emulator.cloud)).toBe(trusted);
      await work(emulator, round, done);
    }
    const emulator = await startProcess('--data', data);
    const { body: telemetry } = await emulator.callHub('GET', '/emulator/telemetry');
    const kept = (telemetry as { records: { bodyBase64: string }[] }).records.map(({ bodyBase64 }) =>
      Buffer.from(bodyBase64, 'base64').toString(),
    );
    expect(done.telemetry.size).toBeGreaterThan(200);
    expect([...done.telemetry].filter((payload) => !kept.includes(payload))).toEqual([]);
    const { body: twin } = await emulator.callHub('GET', '/twins/d1');
    const { reported } = (twin as { properties: { reported: { $version: number } } }).properties;
    expect(done.reported).toBeGreaterThan(1);
    expect(reported.$version).toBeGreaterThanOrEqual(done.reported);
    expect(done.devices.size).toBeGreaterThan(0);
    for (const deviceId of done.devices) {
      const { status, body } = await emulator.callHub('GET', `/devices/${deviceId}`);
      const { cloudToDeviceMessageCount } = body as { cloudToDeviceMessageCount: number };
      expect([deviceId, status]).toEqual([deviceId, 200]);
      if (done.messages.has(deviceId)) expect(cloudToDeviceMessageCount).toBe(1);
    }
    await emulator.stop();
  }, 60_000);

  it('ok: the folder and its files are their owner’s alone', async () => {
    for (const [path, mode] of [
      ['.', 0o700],
      ['emulator.db', 0o600],
      ['emulator.lock', 0o600],
      ['cloud.json', 0o600],
    ] as const) {
      expect([path, (await stat(join(folder, 'killed', path))).mode & 0o777]).toEqual([path, mode]);
    }
  });

  it('fail: a second emulator on the folder, other ports than its host names have, a file in the folder’s place', async () => {
    const data = join(folder, 'shared');
    const first = await startAzureIot({ dataFolder: data, seed });
    // SQLite's own file beside it holds the same secrets.
    expect((await stat(join(data, 'emulator.db-wal'))).mode & 0o777).toBe(0o600);
    await expect(startAzureIot({ dataFolder: data })).rejects.toMatchObject({ code: 'ERR_EMULATOR_DATA_HELD' });
    await first.close();
    await expect(startAzureIot({ dataFolder: data, mqttPort: first.httpsPort })).rejects.toMatchObject({
      code: 'ERR_EMULATOR_DATA',
      message: expect.stringContaining(`the ports ${first.mqttPort} (MQTT)`) as unknown as string,
    });
    await writeFile(join(folder, 'file'), '');
    await expect(startAzureIot({ dataFolder: join(folder, 'file') })).rejects.toMatchObject({
      code: 'ERR_EMULATOR_DATA',
    });
    const again = await startAzureIot({ dataFolder: data });
    expect(again.hub('hub-1').twinOf('d1')).toMatchObject({ tags: { floor: 3 } });
    await again.close();
  });
});
