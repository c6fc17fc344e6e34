import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AzureIotEmulator } from '../src/index.ts';
import { connectDevice, startSeeded } from './data-bed.ts';
import { runCommandLine, startProcess } from './data-process.ts';
import { callHttps } from './start-https.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'emulator-snapshot-'));
});
afterAll(() => rm(folder, { recursive: true }));

// In memory and in libsql alike.
describe.each(['memory', 'libsql'])('snapshots of an emulator that keeps its state in %s', (engine) => {
  let emulator: AzureIotEmulator;
  beforeAll(async () => {
    const place = join(folder, engine);
    emulator = await startSeeded(engine === 'memory' ? { folder: place } : { dataFolder: place });
  });
  afterAll(() => emulator.close());

  it('ok: everything comes back: twins, queues, sessions, telemetry, keys', async () => {
    const device = await connectDevice(emulator, 'd1');
    await device.subscribe('devices/d1/messages/devicebound/#');
    await device.publish('devices/d1/messages/events/$.ct=application%2Fjson&colour=red', '{"t":1}');
    device.destroy();
    await emulator.hub('hub-1').waitForDisconnection('d1', { timeoutMs: 5000 });
    emulator.hub('hub-1').sendToDevice('d1', { body: Buffer.from('waits') });
    const before = emulator.snapshots.take();
    const key = emulator.hub('hub-1').sharedAccessPolicies[0]?.primaryKey;
    const path = await emulator.snapshots.save('before');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ format: 'azure-iot-emulator snapshot 1' });

    await emulator.reset();
    expect(() => emulator.hub('hub-1')).toThrow(expect.objectContaining({ code: 'ERR_EMULATOR_HUB_MISSING' }));
    await emulator.snapshots.load('before');

    const hub = emulator.hub('hub-1');
    expect(hub.twinOf('d1')).toMatchObject({ tags: { floor: 3 }, cloudToDeviceMessageCount: 1 });
    expect(hub.sharedAccessPolicies[0]?.primaryKey).toBe(key);
    const [message] = hub.telemetry.list();
    expect(message).toMatchObject({ sequenceNumber: 1, applicationProperties: { colour: 'red' } });
    expect(Buffer.from(message!.body).toString()).toBe('{"t":1}');
    expect({ ...emulator.snapshots.take(), takenAt: '' }).toEqual({ ...before, takenAt: '' });
    // The session was not clean: without subscribing again the device gets what waits.
    const again = await connectDevice(emulator, 'd1');
    expect(String((await again.next('publish')).payload)).toBe('waits');
    again.destroy();
  });

  it('ok: a difference is told field by field, without keys', async () => {
    await emulator.snapshots.load('before');
    expect(await emulator.snapshots.diff('before')).toEqual([]);
    const hub = emulator.hub('hub-1');
    hub.updateTwin('d1', { tags: { floor: 4 } }, { mode: 'patch', precondition: 'none' });
    hub.registry.create('d3', {});
    hub.registry.delete('d2', 'none');
    hub.registry.update(hub.registry.require('d1'), {
      authentication: { type: 'sas', symmetricKey: { primaryKey: Buffer.alloc(32).toString('base64') } },
    });
    await emulator.snapshots.save('after');
    const differences = await emulator.snapshots.diff('before', 'after');
    expect(differences.map(({ key, change }) => `${change} ${key}`)).toEqual(['changed d1', 'removed d2', 'added d3']);
    expect(differences[0]?.fields).toContainEqual({ path: 'twin.tags.floor', before: 3, after: 4 });
    expect(differences[0]?.text).toMatch(/^hubs\/hub-1\/devices: d1 changed: .*twin\.tags\.floor 3 -> 4/);
    expect(differences[0]?.text).toMatch(/primaryKey "\(secret\)" -> "\(secret\)"/);
    expect(await emulator.snapshots.list()).toEqual(['after', 'before']);
  });

  it('fail: no such snapshot, a name that leads elsewhere, a file that is none', async () => {
    const code = 'ERR_EMULATOR_SNAPSHOT';
    await expect(emulator.snapshots.load('never')).rejects.toMatchObject({ code });
    await expect(emulator.snapshots.save('../out')).rejects.toMatchObject({ code });
    await writeFile(join(folder, engine, 'snapshots', 'odd.json'), '{"format":"something"}');
    await expect(emulator.snapshots.load('odd')).rejects.toMatchObject({
      code,
      message: expect.stringContaining('found "something"') as unknown as string,
    });
    expect(emulator.hub('hub-1').hasDevice('d1')).toBe(true);
  });
});

describe('snapshots elsewhere', () => {
  it('ok: a state moves to another emulator, whose ports its host names then carry', async () => {
    const [one, two] = [await startSeeded(), await startSeeded({ seed: {} })];
    await two.snapshots.restore(one.snapshots.take());
    expect(two.hub('hub-1').hostName).toBe(`hub-1.azure-devices.localhost:${two.mqttPort}`);
    expect(JSON.stringify(two.snapshots.take())).not.toContain(`:${one.mqttPort}`);
    await expect(one.snapshots.save('x')).rejects.toMatchObject({ code: 'ERR_EMULATOR_SNAPSHOT' });
    await one.close();
    await two.close();
  });

  it('ok: the commands save, compare, load, reset, move the clock and let faults happen', async () => {
    const seedFile = join(folder, 'seed.json');
    await writeFile(seedFile, JSON.stringify({ hubs: [{ name: 'hub-1', devices: [{ deviceId: 'd1' }] }] }));
    const data = join(folder, 'commands');
    const emulator = await startProcess('--data', data, '--seed', seedFile, '--mqtt-port', '0', '--https-port', '0');
    const run = (...args: string[]) => runCommandLine(...args, '--cloud', emulator.cloudFile);
    expect(await run('snapshot', 'save', 'one')).toMatchObject({
      code: 0,
      out: `Saved ${join(data, 'snapshots', 'one.json')}\n`,
    });
    await emulator.callHub('PUT', '/devices/d2', { deviceId: 'd2' });
    expect((await run('snapshot', 'diff', 'one')).out).toBe('hubs/hub-1/devices: d2 added\n');
    expect(await run('snapshot', 'load', 'one')).toMatchObject({ code: 0, err: '' });
    expect((await run('snapshot', 'diff', 'one')).out).toBe('No difference.\n');
    expect((await run('snapshot', 'list')).out).toBe('one\n');
    await run('clock', 'freeze');
    expect((await run('clock', 'set', '2031-02-03T04:05:06Z')).out).toBe('2031-02-03T04:05:06.000Z (frozen)\n');
    expect((await run('clock', 'advance', '2h', '--json')).out).toMatch(
      /"now":"2031-02-03T06:05:06.000Z","isFrozen":true/,
    );
    expect((await run('clock', 'resume')).code).toBe(0);
    expect((await run('clock', 'reset')).code).toBe(0);
    expect((await run('fault', 'add', 'serverError', 'hub=hub-1', 'status=503')).out).toMatch(
      /^Fault 1: .*"status":503/,
    );
    expect((await emulator.callHub('GET', '/devices/d1')).status).toBe(503);
    expect((await run('fault', 'list')).out).toMatch(/^1: .*met 1 times\n$/);
    expect((await run('fault', 'remove', '1')).code).toBe(0);
    expect((await run('fault', 'clear')).out).toBe('Every fault has ended.\n');
    expect((await emulator.callHub('GET', '/devices/d1')).status).toBe(200);
    expect(await run('fault', 'add', 'delay')).toMatchObject({
      code: 1,
      err: expect.stringContaining('delayMs of delay') as unknown as string,
    });
    expect(await run('clock', 'advance', 'soon')).toMatchObject({ code: 1 });
    expect((await run('reset')).out).toBe('The emulator is empty.\n');
    expect((await emulator.callHub('GET', '/devices/d1')).status).not.toBe(200);
    await emulator.stop();
    expect(await run('reset')).toMatchObject({
      code: 1,
      err: expect.stringContaining('No emulator answers on port') as unknown as string,
    });
  }, 60_000);

  it('fail: the emulator’s own interface wants its secret and no web pages; ready and health are open', async () => {
    const emulator = await startSeeded();
    const call = (method: string, path: string, headers = {}, body?: unknown) =>
      callHttps(emulator, { method, path, headers, body });
    expect((await call('GET', '/emulator/ready')).body).toEqual({ ready: true });
    expect((await call('GET', '/emulator/health')).body).toMatchObject({ status: 'ok', hubs: 1, connectedDevices: 0 });
    expect((await call('POST', '/emulator/reset')).status).toBe(401);
    const authorization = `Basic ${Buffer.from(`${emulator.clientId}:${emulator.clientSecret}`).toString('base64')}`;
    expect((await call('POST', '/emulator/reset', { authorization, origin: 'https://evil.example' })).status).toBe(403);
    expect((await call('POST', '/emulator/clock', { authorization }, { advanceMs: -1 })).status).toBe(400);
    expect((await call('GET', '/emulator/nothing', { authorization })).status).toBe(404);
    expect(emulator.hub('hub-1').hasDevice('d1')).toBe(true);
    await emulator.close();
  });
});
