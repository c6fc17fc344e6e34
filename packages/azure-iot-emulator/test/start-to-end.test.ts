import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Issued, issue } from './dps-certificates.ts';
import { type DpsFixture, groupOf, issueDevice, startDpsFixture } from './dps-fixture.ts';
import { runChild } from './start-child.ts';

describe('from an empty subscription to telemetry at the hub, with Microsoft’s clients alone', () => {
  let fixture: DpsFixture;
  const lines: Issued[] = [];

  beforeAll(async () => {
    fixture = await startDpsFixture();
    for (const commonName of ['Line 1', 'Line 2']) {
      lines.push(await issue({ commonName, issuer: fixture.root, isAuthority: true, pathLength: 0 }));
    }
    const groups = lines.map((line, index) =>
      groupOf(`line-${index + 1}`, line, {
        initialTwin: { tags: {}, properties: { desired: { targetTemperature: 20 + index } } },
      }),
    );
    const created = await fixture.service(groups.map((group) => ['createOrUpdateEnrollmentGroup', group]));
    expect(created.map(({ error }) => error)).toEqual([undefined, undefined]);
  });
  afterAll(() => fixture.emulator.close());

  it('ok: a thermostat of each line registers, connects, sends, and has its line’s twin', async () => {
    const hub = fixture.emulator.hub(fixture.names.hub);
    for (const [index, line] of lines.entries()) {
      const device = await issueDevice(`thermostat-${index + 1}`, [line]);
      const outcome = await runChild(fixture.emulator, 'start-device-child.mjs', {
        ...device,
        host: fixture.emulator.cloud.provisioningDeviceEndpoint,
        idScope: fixture.idScope,
        telemetry: { temperature: 29 + 2 * index, humidity: 40 },
      });
      expect(outcome).toMatchObject({
        registered: { assignedHub: fixture.hubHost, deviceId: device.registrationId },
        desired: { targetTemperature: 20 + index },
      });
    }
    const received = hub.telemetry.list().map(({ deviceId, systemProperties, applicationProperties, body }) => ({
      deviceId,
      contentType: systemProperties['content-type'],
      applicationProperties,
      body: JSON.parse(Buffer.from(body).toString()) as unknown,
    }));
    expect(received).toEqual([
      {
        deviceId: 'thermostat-1',
        contentType: 'application/json',
        applicationProperties: { temperatureAlert: 'false' },
        body: { temperature: 29, humidity: 40 },
      },
      {
        deviceId: 'thermostat-2',
        contentType: 'application/json',
        applicationProperties: { temperatureAlert: 'true' },
        body: { temperature: 31, humidity: 40 },
      },
    ]);
  });
});
