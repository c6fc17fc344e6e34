import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { emulatorForTests } from '../src/testing/index.ts';
import { connectDevice, seed } from './data-bed.ts';

describe('emulatorForTests in jest', () => {
  const azure = emulatorForTests({ beforeAll, afterAll, afterEach }, { seed });

  it('ok: awaits telemetry, also what has arrived before', async () => {
    const device = await connectDevice(azure.emulator, 'd1');
    const soon = azure.telemetry('hub-1', { deviceId: 'd1' });
    await device.publish('devices/d1/messages/events/', '{"t":1}');
    expect(Buffer.from((await soon).body).toString()).toBe('{"t":1}');
    expect((await azure.telemetry(azure.hub('hub-1'))).sequenceNumber).toBe(1);
    device.destroy();
  });

  it('fail: says what came instead of the telemetry that didn’t', async () => {
    await expect(azure.telemetry('hub-1', { timeoutMs: 1 })).rejects.toThrow(
      'No telemetry that fits came to hub hub-1 within 1 ms; there is: none.',
    );
  });

  it('ok: what one test does to state, time and faults …', () => {
    azure.hub('hub-1').registry.delete('d2', 'none');
    azure.clock.freeze();
    azure.clock.advance(86_400_000);
    azure.fault({ kind: 'hubDown' });
    expect(azure.emulator.faults.list()).toHaveLength(1);
  });

  it('ok: … the next one doesn’t see', () => {
    expect(azure.hub('hub-1').hasDevice('d2')).toBe(true);
    expect([azure.clock.isFrozen, Math.abs(azure.clock.nowMs - Date.now()) < 60_000]).toEqual([false, true]);
    expect(azure.emulator.faults.list()).toEqual([]);
  });
});

describe('emulatorForTests with fresh resources for each test', () => {
  const azure = emulatorForTests({ beforeAll, afterAll, afterEach }, { isolation: 'fresh' });

  it('ok: every test has a hub and a DPS of its own', async () => {
    const [one, two] = [await azure.resources({ hub: { devices: [{ deviceId: 'x' }] } }), await azure.resources()];
    expect([one.hub.hasDevice('x'), two.hub.hasDevice('x')]).toEqual([true, false]);
    expect(one.dps.idScope).not.toBe(two.dps.idScope);
  });
});

describe('emulatorForTests outside of tests', () => {
  it('fail: says when the emulator is there', () => {
    const nothing = (): void => undefined;
    const azure = emulatorForTests({ beforeAll: nothing, afterAll: nothing, afterEach: nothing });
    expect(() => azure.emulator).toThrow(/starts before the first test/);
  });
});
