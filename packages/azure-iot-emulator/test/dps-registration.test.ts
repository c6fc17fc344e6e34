import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Issued, issue, issueRoot } from './dps-certificates.ts';
import {
  type DeviceCredentials,
  type DpsFixture,
  groupOf,
  issueDevice,
  startDpsFixture,
  uploadVerified,
} from './dps-fixture.ts';

describe('registration through azure-iot-provisioning-device', () => {
  let fixture: DpsFixture;
  let lineA: Issued;
  let lineB: Issued;

  beforeAll(async () => {
    fixture = await startDpsFixture();
    lineA = await issue({ commonName: 'Line A', issuer: fixture.root, isAuthority: true, pathLength: 0 });
    lineB = await issue({ commonName: 'Line B', issuer: fixture.root, isAuthority: true, pathLength: 0 });
    await fixture.service([
      [
        'createOrUpdateEnrollmentGroup',
        groupOf('line-a', lineA, {
          initialTwin: { tags: { line: 'a' }, properties: { desired: { targetTemperature: 21 } } },
        }),
      ],
      ['createOrUpdateEnrollmentGroup', groupOf('line-b', lineB)],
    ]);
  });
  afterAll(() => fixture.emulator.close());

  it('ok: a device of each line is assigned, over MQTT and over WebSocket, with or without the root in its chain', async () => {
    const withRoot = await issueDevice('thermostat-1', [lineA, fixture.root]);
    const withoutRoot = await issueDevice('thermostat-2', [lineB]);
    expect(await fixture.register([withRoot, withoutRoot])).toMatchObject([
      {
        registered: {
          assignedHub: fixture.hubHost,
          deviceId: 'thermostat-1',
          status: 'assigned',
          substatus: 'initialAssignment',
        },
      },
      { registered: { assignedHub: fixture.hubHost, deviceId: 'thermostat-2' } },
    ]);
    expect(await fixture.register([withRoot], 'MqttWs')).toMatchObject([{ registered: { deviceId: 'thermostat-1' } }]);
    const view = fixture.emulator.dps(fixture.names.dps);
    expect([
      view.registerCalls('thermostat-1'),
      view.registerCalls('Thermostat-2'),
      view.registerCalls('nobody'),
    ]).toEqual([2, 1, 0]);
    expect(view.registrations).toMatchObject([
      { registrationId: 'thermostat-1', enrollmentGroupId: 'line-a', status: 'assigned' },
      { registrationId: 'thermostat-2', enrollmentGroupId: 'line-b' },
    ]);
  });

  it('ok: the hub knows the device by its thumbprint and has the initial twin', async () => {
    const device = await issueDevice('twinned', [lineA]);
    await fixture.register([device]);
    const twin = fixture.emulator.hub(fixture.names.hub).twinOf('twinned');
    expect(twin).toMatchObject({
      authenticationType: 'selfSigned',
      tags: { line: 'a' },
      properties: { desired: { targetTemperature: 21 } },
      x509Thumbprint: { primaryThumbprint: expect.stringMatching(/^[0-9A-F]{64}$/) },
    });
  });

  it('ok: RSA and P-384 anywhere in a chain, an authority of another kind than what it signs among them', async () => {
    const rsaRoot = await issue({ commonName: 'RSA Root', isAuthority: true, algorithm: 'RSA-2048' });
    const p384Line = await issue({ commonName: 'P-384 line', issuer: rsaRoot, isAuthority: true, algorithm: 'P-384' });
    await uploadVerified(fixture.clients, 'rsa-root', rsaRoot);
    await fixture.service([['createOrUpdateEnrollmentGroup', groupOf('p384-line', p384Line)]]);
    const devices = [
      await issueDevice('of-p384', [p384Line]),
      await issueDevice('rsa-device', [p384Line, rsaRoot], { algorithm: 'RSA-2048' }),
    ];
    expect(await fixture.register(devices)).toMatchObject([
      { registered: { deviceId: 'of-p384' } },
      { registered: { deviceId: 'rsa-device' } },
    ]);
  });

  it('fail: each wrong credential gets 401002 with DPS’s words, and the log says what is wrong with it', async () => {
    const { root } = fixture;
    const otherRoot = await issueRoot('Unverified Root');
    const otherLine = await issue({ commonName: 'Line of another root', issuer: otherRoot, isAuthority: true });
    // Uploaded, but nobody has proved to have its key.
    await fixture.clients.dps.dpsCertificate.createOrUpdate(fixture.names.group, fixture.names.dps, 'unverified', {
      properties: { certificate: Buffer.from(otherRoot.base64, 'base64') },
    });
    const foreign = await issueDevice('l-individual', [otherLine, otherRoot]);
    await fixture.service([
      [
        'createOrUpdateIndividualEnrollment',
        {
          registrationId: 'l-individual',
          attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: foreign.cert } } } },
        },
      ],
      ['createOrUpdateEnrollmentGroup', groupOf('unverified-line', otherLine)],
    ]);
    const unknownLine = await issue({ commonName: 'Line C', issuer: root, isAuthority: true });
    const expiredLine = await issue({
      commonName: 'Old line',
      issuer: root,
      isAuthority: true,
      notBeforeDays: -9,
      notAfterDays: -2,
    });
    const noAuthority = await issue({ commonName: 'No authority', issuer: root });
    const shallow = await issue({ commonName: 'Line A below', issuer: lineA, isAuthority: true });
    const cases: [DeviceCredentials, string, RegExp][] = [
      [
        await issueDevice('a-unverified-root', [otherLine, otherRoot]),
        'CA certificate not found.',
        /ends at CN=Unverified Root, which is no verified/,
      ],
      [
        await issueDevice('b-missing-line', [lineA]).then(leafOnly),
        'CA certificate not found.',
        /an intermediate is missing/,
      ],
      [
        await issueDevice('c-wrong-name', [lineA], { commonName: 'someone-else' }),
        'Invalid certificate.',
        /subject is CN=someone-else/,
      ],
      [
        await issueDevice('d-expired', [lineA], { notBeforeDays: -9, notAfterDays: -1 }),
        'Invalid certificate.',
        /CN=d-expired expired at/,
      ],
      [await issueDevice('e-early', [lineA], { notBeforeDays: 2 }), 'Invalid certificate.', /not valid before/],
      [
        await issueDevice('f-unknown-line', [unknownLine]),
        'Unauthorized',
        /no enrollment has CN=f-unknown-line .*CN=Line C, CN=Contoso Root/,
      ],
      [await issueDevice('g-expired-line', [expiredLine]), 'Invalid certificate.', /CN=Old line expired/],
      [await issueDevice('h-no-authority', [noAuthority]), 'Invalid certificate.', /no certificate authority/],
      [await issueDevice('i-too-deep', [shallow, lineA]), 'Invalid certificate.', /allows 0 intermediates/],
      [
        await issueDevice('j-self-signed', []),
        'CA certificate not found.',
        /ends at CN=j-self-signed, which is no verified/,
      ],
      [
        await issueDevice('k-forged', [lineA], { signer: lineB }),
        'Invalid certificate.',
        /not signed by the next certificate presented, CN=Line A/,
      ],
      [foreign, 'CA certificate not found.', /ends at CN=Unverified Root, which is no verified/],
    ];
    const outcomes = await fixture.register(cases.map(([device]) => device));
    for (const [index, [device, message, reason]] of cases.entries()) {
      expect([device.registrationId, outcomes[index]?.error]).toEqual([
        device.registrationId,
        expect.objectContaining({
          name: 'UnauthorizedError',
          body: expect.objectContaining({ errorCode: 401002, message }),
        }),
      ]);
      const line = fixture.log.findLast((entry) => entry.includes(`refused ${device.registrationId} `));
      expect(line).toMatch(reason);
    }
    expect(fixture.emulator.hub(fixture.names.hub).hasDevice('f-unknown-line')).toBe(false);
  });

  it('fail: a disabled group and a disabled individual enrollment refuse; the line’s other devices go on', async () => {
    const lineD = await issue({ commonName: 'Line D', issuer: fixture.root, isAuthority: true });
    const [blocked, ofLineD, free] = await Promise.all([
      issueDevice('stolen', [lineA]),
      issueDevice('of-line-d', [lineD]),
      issueDevice('free', [lineA]),
    ]);
    await fixture.service([
      ['createOrUpdateEnrollmentGroup', groupOf('line-d', lineD, { provisioningStatus: 'disabled' })],
      // What the documents advise where the device's certificate is not at hand.
      [
        'createOrUpdateIndividualEnrollment',
        { registrationId: 'stolen', attestation: { type: 'symmetricKey' }, provisioningStatus: 'disabled' },
      ],
    ]);
    expect(await fixture.register([blocked, ofLineD, free])).toMatchObject([
      { error: { name: 'UnauthorizedError', body: { errorCode: 401002, message: 'Unauthorized' } } },
      { error: { body: { errorCode: 401002 } } },
      { registered: { deviceId: 'free' } },
    ]);
    expect(fixture.log.filter((line) => line.includes('is disabled'))).toEqual([
      expect.stringContaining("individual enrollment 'stolen' is disabled"),
      expect.stringContaining("group enrollment 'line-d' is disabled"),
    ]);
  });

  it('ok: individual enrollments: self-signed, CA-issued, with a device ID of their own', async () => {
    const selfSigned = await issueDevice('single', []);
    const ofLine = await issueDevice('ca-issued', [lineB]);
    const enroll = (device: DeviceCredentials, extra: object) => [
      'createOrUpdateIndividualEnrollment',
      {
        registrationId: device.registrationId,
        attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: device.cert } } } },
        ...extra,
      },
    ];
    const wrong = await issueDevice('single', [lineB]);
    await fixture.service([enroll(selfSigned, { deviceId: 'Living-Room' }), enroll(ofLine, {})]);
    expect(await fixture.register([selfSigned, ofLine, wrong])).toMatchObject([
      { registered: { deviceId: 'Living-Room' } },
      { registered: { deviceId: 'ca-issued' } },
      { error: { body: { errorCode: 401002 } } },
    ]);
    expect(fixture.log.at(-1)).toContain("individual enrollment 'single' has another certificate");
  });
});

/** What a device sends that forgot its chain. */
function leafOnly(device: DeviceCredentials): DeviceCredentials {
  return { ...device, cert: `${device.cert.split('-----END CERTIFICATE-----')[0] ?? ''}-----END CERTIFICATE-----\n` };
}
