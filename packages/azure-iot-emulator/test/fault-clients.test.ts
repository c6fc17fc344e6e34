import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Issued, issue } from './dps-certificates.ts';
import { type DpsFixture, groupOf, issueDevice, startDpsFixture } from './dps-fixture.ts';
import { runChild } from './start-child.ts';

describe('what Microsoft’s unmodified clients make of faults', () => {
  let fixture: DpsFixture;
  let line: Issued;
  beforeAll(async () => {
    fixture = await startDpsFixture();
    line = await issue({ commonName: 'Line', issuer: fixture.root, isAuthority: true, pathLength: 0 });
    await fixture.service([['createOrUpdateEnrollmentGroup', groupOf('line', line)]]);
  }, 30_000);
  afterEach(() => fixture.emulator.faults.clear());
  afterAll(() => fixture.emulator.close());

  it('ok: a throttled registration is tried again after its retry-after, and succeeds', async () => {
    fixture.emulator.faults.add({ kind: 'throttle', dps: fixture.names.dps, retryAfterSeconds: 1, times: 1 });
    const [outcome] = await fixture.register([await issueDevice('throttled', [line])]);
    expect(outcome?.registered).toMatchObject({ status: 'assigned' });
    expect(fixture.emulator.dps(fixture.names.dps).registerCalls('throttled')).toBe(1);
  }, 30_000);

  it('fail: a server certificate that has expired is refused by the client', async () => {
    fixture.emulator.faults.add({ kind: 'certificate', problem: 'expired' });
    const [outcome] = await fixture.register([await issueDevice('distrustful', [line])]);
    expect(JSON.stringify(outcome?.error)).toMatch(/certificate has expired|NotConnectedError/);
    expect(fixture.emulator.dps(fixture.names.dps).registerCalls('distrustful')).toBe(0);
  }, 30_000);

  it('ok: where an acknowledgement of telemetry is lost, the device client connects again and sends twice', async () => {
    fixture.emulator.faults.add({ kind: 'messageLost', message: 'telemetry', loss: 'acknowledgement', times: 1 });
    await runChild(fixture.emulator, 'start-device-child.mjs', {
      ...(await issueDevice('repeater', [line])),
      host: fixture.emulator.cloud.provisioningDeviceEndpoint,
      idScope: fixture.idScope,
      telemetry: { temperature: 20 },
    });
    const { telemetry } = fixture.emulator.hub(fixture.names.hub);
    expect(telemetry.list().map(({ deviceId }) => deviceId)).toEqual(['repeater', 'repeater']);
  }, 30_000);
});
