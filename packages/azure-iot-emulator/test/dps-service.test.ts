import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DpsError, dpsErrorNames } from '../src/dps/dps-error.ts';
import { type Issued, issue } from './dps-certificates.ts';
import { type DpsFixture, groupOf, issueDevice, startDpsFixture } from './dps-fixture.ts';
import { callServiceApi, registerOverHttp } from './dps-wire.ts';
import { type Answer, callHttps } from './start-https.ts';

describe('DPS’s service API', () => {
  let fixture: DpsFixture;
  let line: Issued;
  const seen = new Set<number>();

  beforeAll(async () => {
    fixture = await startDpsFixture();
    line = await issue({ commonName: 'Line', issuer: fixture.root, isAuthority: true });
  });
  afterAll(() => fixture.emulator.close());

  const call = (
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> => callServiceApi(fixture, { method, path, body, headers });
  const expectError = (answer: Answer, status: number, errorCode: number, message: RegExp) => {
    expect(answer).toMatchObject({
      status,
      headers: { 'x-ms-error-code': String(errorCode) },
      body: {
        errorCode,
        message: expect.stringMatching(message),
        trackingId: expect.any(String),
        timestampUtc: expect.stringMatching(/\.\d{7}Z$/),
      },
    });
    seen.add(errorCode);
  };
  const symmetric = { attestation: { type: 'symmetricKey' } };

  it('ok: azure-iot-provisioning-service creates, reads, changes, queries and deletes', async () => {
    const outcomes = await fixture.service([
      [
        'createOrUpdateEnrollmentGroup',
        groupOf('sdk-group', line, {
          initialTwin: { tags: { a: 1, $version: 4 }, properties: { desired: { b: { c: 2 } } } },
        }),
      ],
      ['getEnrollmentGroup', 'SDK-group'],
      [
        'createOrUpdateIndividualEnrollment',
        { registrationId: 'sdk-one', ...symmetric, capabilities: { iotEdge: true }, deviceId: 'Edge-1' },
      ],
      ['getIndividualEnrollmentAttestationMechanism', 'sdk-one'],
      ['getEnrollmentGroupAttestationMechanism', 'sdk-group'],
      ['createIndividualEnrollmentQuery', { query: 'SELECT * FROM enrollments' }, 5],
      ['createEnrollmentGroupQuery', { query: 'SELECT * FROM enrollmentGroups' }],
      ['createOrUpdateIndividualEnrollment', { registrationId: 'sdk-one', ...symmetric }],
      ['deleteIndividualEnrollment', 'sdk-one'],
      ['deleteEnrollmentGroup', 'sdk-group', 'bm90IGl0'],
      ['deleteEnrollmentGroup', 'sdk-group'],
      ['getEnrollmentGroup', 'sdk-group'],
    ]);
    const info = {
      subjectName: 'CN=Line',
      issuerName: 'CN=Contoso Root',
      sha1Thumbprint: expect.stringMatching(/^[0-9A-F]{40}$/),
      sha256Thumbprint: expect.stringMatching(/^[0-9A-F]{64}$/),
      notBeforeUtc: expect.stringMatching(/^[-\d]{10}T[:\d]{8}Z$/),
      notAfterUtc: expect.any(String),
      serialNumber: expect.any(String),
      version: 3,
    };
    const group = {
      enrollmentGroupId: 'sdk-group',
      attestation: { type: 'x509', x509: { signingCertificates: { primary: { info } } } },
      capabilities: { iotEdge: false },
      initialTwin: { tags: { a: 1 }, properties: { desired: { b: { c: 2 } } } },
      etag: expect.any(String),
      provisioningStatus: 'enabled',
      reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: true },
      createdDateTimeUtc: expect.stringMatching(/\.\d{7}Z$/),
      lastUpdatedDateTimeUtc: expect.any(String),
    };
    expect(outcomes[0]?.value).toEqual(group);
    expect(outcomes[1]?.value).toEqual(outcomes[0]?.value);
    expect(Buffer.from((outcomes[0]?.value as { etag: string }).etag, 'base64').toString()).toMatch(
      /^"[0-9a-f]{8}-0000-3300-0000-[0-9a-f]{8}0000"$/,
    );
    expect(outcomes[2]?.value).toMatchObject({
      registrationId: 'sdk-one',
      deviceId: 'Edge-1',
      capabilities: { iotEdge: true },
      attestation: { type: 'symmetricKey' },
    });
    expect(outcomes[2]?.value).not.toHaveProperty('attestation.symmetricKey');
    expect(outcomes[3]?.value).toMatchObject({
      symmetricKey: { primaryKey: expect.stringMatching(/^[A-Za-z0-9+/]{86}==$/) },
    });
    expect(outcomes[4]?.value).toEqual(group.attestation);
    expect([outcomes[5]?.value, outcomes[6]?.value]).toMatchObject([
      [[{ registrationId: 'sdk-one' }]],
      [[{ enrollmentGroupId: 'sdk-group' }]],
    ]);
    expect(outcomes.slice(7).map(({ error, value }) => error?.body.errorCode ?? value)).toEqual([
      409201,
      null,
      412201,
      null,
      404204,
    ]);
  });

  it('ok: PUT with the ETag, with and without quotes, or *; what was read can be written back without its certificate', async () => {
    const path = '/enrollmentGroups/etags';
    const first = (await call('PUT', path, groupOf('etags', line))).body as { etag: string };
    const second = await call('PUT', path, { ...first, provisioningStatus: 'disabled' }, { 'If-Match': first.etag });
    expect(second).toMatchObject({
      status: 200,
      body: {
        provisioningStatus: 'disabled',
        attestation: { x509: { signingCertificates: { primary: { info: { subjectName: 'CN=Line' } } } } },
      },
    });
    const { etag } = second.body as { etag: string };
    expect(etag).not.toBe(first.etag);
    expectError(
      await call('PUT', path, groupOf('etags', line), { 'If-Match': first.etag }),
      412,
      412201,
      /^Precondition failed\.$/,
    );
    expectError(await call('DELETE', path, undefined, { 'If-Match': first.etag }), 412, 412201, /Precondition/);
    expect((await call('PUT', path, groupOf('etags', line), { 'If-Match': `"${etag}"` })).status).toBe(200);
    expect((await call('PUT', path, groupOf('etags', line), { 'If-Match': '*' })).status).toBe(200);
    expectError(
      await call('PUT', path, groupOf('etags', line)),
      409,
      409202,
      /enrollment group 'etags' already exists/,
    );
    expect((await call('DELETE', path)).status).toBe(204);
    expectError(await call('PUT', path, groupOf('etags', line), { 'If-Match': '*' }), 404, 404204, /'etags' not found/);
    expectError(
      await call('PUT', '/enrollments/none', symmetric, { 'If-Match': 'x' }),
      404,
      404201,
      /'none' not found/,
    );
    expectError(await call('GET', '/enrollments/not%20an%20id'), 404, 404201, /not found/);
    expectError(await call('GET', '/registrations/none'), 404, 404202, /not found/);
  });

  it('ok: queries page by page in the order of the IDs', async () => {
    for (const id of ['p3', 'p1', 'p2']) await call('PUT', `/enrollments/${id}`, symmetric);
    const ask = (headers: Readonly<Record<string, string>>) =>
      call('POST', '/enrollments/query', { query: 'select *  from Enrollments' }, headers);
    const first = await ask({ 'x-ms-max-item-count': '2' });
    expect(first.headers).toMatchObject({ 'x-ms-item-type': 'enrollment', 'x-ms-max-item-count': '2' });
    expect(first.body).toMatchObject([{ registrationId: 'p1' }, { registrationId: 'p2' }]);
    const second = await ask({
      'x-ms-max-item-count': '2',
      'x-ms-continuation': String(first.headers['x-ms-continuation']),
    });
    expect(second.body).toMatchObject([{ registrationId: 'p3' }]);
    expect(second.headers['x-ms-continuation']).toBeUndefined();
    expectError(await ask({ 'x-ms-max-item-count': '0' }), 400, 400004, /x-ms-max-item-count/);
    expectError(await ask({ 'x-ms-continuation': 'nonsense' }), 400, 400004, /x-ms-continuation/);
    expectError(await call('POST', '/enrollments/query', {}), 400, 400004, /query/);
    expectError(
      await call('POST', '/enrollments/query', { query: "SELECT * FROM enrollments WHERE x = 'y'" }),
      501,
      501000,
      /WHERE/,
    );
  });

  it('ok: bulk: each item by itself, in four modes', async () => {
    const bulk = (mode: string, enrollments: readonly object[]) => call('POST', '/enrollments', { mode, enrollments });
    const items = ['b1', 'b2'].map((registrationId) => ({ registrationId, ...symmetric }));
    expect(await bulk('create', items)).toMatchObject({ status: 200, body: { isSuccessful: true, errors: [] } });
    expect((await bulk('create', items.slice(0, 1))).body).toEqual({
      isSuccessful: false,
      errors: [{ registrationId: 'b1', errorCode: 409201, errorStatus: "enrollment 'b1' already exists." }],
    });
    expect((await bulk('update', items)).body).toMatchObject({ isSuccessful: true });
    expect(
      (
        await bulk(
          'updateIfMatchETag',
          items.map((item) => ({ ...item, etag: 'stale' })),
        )
      ).body,
    ).toMatchObject({ errors: [{ errorCode: 412201 }, { errorCode: 412201 }] });
    expect((await bulk('delete', items)).body).toMatchObject({ isSuccessful: true });
    expectError(await bulk('merge', items), 400, 400004, /'mode'/);
    expectError(
      await bulk(
        'create',
        Array.from({ length: 11 }, () => items[0] ?? {}),
      ),
      400,
      400004,
      /1 to 10 items/,
    );
    expect(
      (
        await call('POST', '/enrollmentGroups', {
          mode: 'create',
          enrollmentGroups: [{ enrollmentGroupId: 'b3', ...symmetric }],
        })
      ).body,
    ).toMatchObject({ isSuccessful: true });
  });

  it('fail: enrollments that make no sense', async () => {
    const put = (extra: Readonly<Record<string, unknown>>, id = 'wrong') =>
      call('PUT', `/enrollmentGroups/${id}`, { ...groupOf(id, line), ...extra });
    const x509 = (content: object) => ({ attestation: { type: 'x509', x509: content } });
    const wrong: [Readonly<Record<string, unknown>>, RegExp][] = [
      [{ iotHubs: [fixture.hubHost] }, /^Enrollment allocationPolicy must be specified when iotHubs are specified\.$/],
      [{ allocationPolicy: 'static' }, /iotHubs must be specified/],
      [{ allocationPolicy: 'random' }, /'allocationPolicy': expected one of hashed/],
      [{ allocationPolicy: 'static', iotHubs: ['elsewhere'] }, /'elsewhere' is not linked/],
      [{ iotHubs: 'x' }, /'iotHubs': expected an array of strings/],
      [{ enrollmentGroupId: 'other' }, /'other' does not match 'wrong'/],
      [{ attestation: undefined }, /a type is required/],
      [x509({}), /expected signingCertificates or caReferences, found nothing/],
      [x509({ clientCertificates: {} }), /found clientCertificates/],
      [x509({ signingCertificates: { primary: { certificate: 'AAAA' } } }), /expected PEM or base64/],
      [x509({ signingCertificates: { primary: {} } }), /a certificate is required/],
      [x509({ signingCertificates: { secondary: { certificate: line.pem } } }), /a primary certificate is required/],
      [x509({ caReferences: { primary: 'unknown' } }), /CA certificate 'unknown'/],
      [x509({ caReferences: { secondary: 'root' } }), /a primary name is required/],
      [{ attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: '§' } } }, /expected base64/],
      [{ capabilities: { iotEdge: 'yes' } }, /'capabilities.iotEdge': expected true or false/],
      [{ initialTwin: [] }, /'initialTwin': expected an object, found an array/],
      [{ provisioningStatus: 3 }, /'provisioningStatus': expected a string/],
    ];
    for (const [extra, message] of wrong) expectError(await put(extra), 400, 400004, message);
    expectError(await put({}, '-edge'), 400, 400004, /Invalid enrollment group ID '-edge'/);
    expectError(await call('PUT', '/enrollments/x', '{'), 400, 400004, /not valid JSON/);
  });

  it('fail: what the emulator does not do is refused by name', async () => {
    const put = (extra: object) => call('PUT', '/enrollmentGroups/loud', { ...groupOf('loud', line), ...extra });
    expectError(
      await put({ attestation: { type: 'tpm', tpm: { endorsementKey: 'x' } } }),
      501,
      501000,
      /attestation of type 'tpm'/,
    );
    expectError(await put({ credentialPolicyName: 'x' }), 501, 501000, /'credentialPolicyName'/);
    expectError(await call('GET', '/services'), 501, 501000, /GET \/services/);
  });

  it('ok and fail: a certificate stands in one enrollment only; a group may name an uploaded CA instead', async () => {
    const shared = await issue({ commonName: 'Shared', issuer: fixture.root, isAuthority: true });
    expect((await call('PUT', '/enrollmentGroups/holder', groupOf('holder', shared))).status).toBe(200);
    expectError(
      await call('PUT', '/enrollmentGroups/second', groupOf('second', shared)),
      409,
      409202,
      /CN=Shared is already in enrollment group 'holder'/,
    );
    const individual = {
      attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: shared.base64 } } } },
    };
    expectError(
      await call('PUT', '/enrollments/third', individual),
      409,
      409201,
      /already in enrollment group 'holder'/,
    );
    const byReference = { attestation: { type: 'x509', x509: { caReferences: { primary: 'root' } } } };
    expect(await call('PUT', '/enrollmentGroups/by-ca', byReference)).toMatchObject({ status: 200, body: byReference });
    const ofUnknownLine = await issueDevice('by-reference', [
      await issue({ commonName: 'Any line', issuer: fixture.root, isAuthority: true }),
    ]);
    expect((await registerOverHttp(fixture, ofUnknownLine)).body).toMatchObject({
      registrationState: { x509: { enrollmentGroupId: 'by-ca' } },
    });
    // First on the way from the leaf to the root: a disabled line counts before the enabled root above it.
    const ofHolder = await issueDevice('of-holder', [shared]);
    await call('PUT', '/enrollmentGroups/holder', groupOf('holder', shared, { provisioningStatus: 'disabled' }), {
      'If-Match': '*',
    });
    expect((await registerOverHttp(fixture, ofHolder)).status).toBe(401);
    await call('DELETE', '/enrollmentGroups/holder');
    expect((await registerOverHttp(fixture, ofHolder)).body).toMatchObject({
      registrationState: { x509: { enrollmentGroupId: 'by-ca' } },
    });
    expect((await call('POST', '/registrations/BY-CA/query')).body).toMatchObject([
      { registrationId: 'by-reference' },
      { registrationId: 'of-holder' },
    ]);
  });

  it('ok: registration records are read and deleted; deleting a group leaves them', async () => {
    const recorded = await issue({ commonName: 'Recorded line', issuer: fixture.root, isAuthority: true });
    await call('PUT', '/enrollmentGroups/recorded', groupOf('recorded', recorded));
    const device = await issueDevice('recorded-1', [recorded]);
    await registerOverHttp(fixture, device);
    await call('DELETE', '/enrollmentGroups/recorded');
    const { body } = await call('GET', '/registrations/recorded-1');
    expect(body).toMatchObject({
      registrationId: 'recorded-1',
      status: 'assigned',
      assignedHub: fixture.hubHost,
      deviceId: 'recorded-1',
    });
    expectError(
      await call('DELETE', '/registrations/recorded-1', undefined, { 'If-Match': 'stale' }),
      412,
      412201,
      /Precondition/,
    );
    expect(
      (await call('DELETE', '/registrations/recorded-1', undefined, { 'If-Match': (body as { etag: string }).etag }))
        .status,
    ).toBe(204);
    expectError(await call('DELETE', '/registrations/recorded-1'), 404, 404202, /not found/);
    const single = await issueDevice('recorded-2', []);
    await call('PUT', '/enrollments/recorded-2', {
      attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: single.cert } } } },
    });
    await registerOverHttp(fixture, single);
    expect((await call('GET', '/enrollments/recorded-2')).body).toMatchObject({
      registrationState: { status: 'assigned' },
    });
    await call('DELETE', '/enrollments/recorded-2');
    expect((await call('GET', '/registrations/recorded-2')).status).toBe(404);
  });

  it('fail: who is not let in', async () => {
    const host = `contoso-dps.${fixture.emulator.cloud.provisioningServiceSuffix}`;
    const ask = (changes: { readonly host?: string; readonly authorization?: string; readonly query?: string }) =>
      callHttps(fixture.emulator, {
        method: 'GET',
        host: changes.host ?? host,
        path: `/enrollments/x${changes.query ?? '?api-version=2021-10-01'}`,
        ...(changes.authorization !== undefined && { headers: { Authorization: changes.authorization } }),
      });
    const { token } = await fixture.clients.credential.getToken('https://management.azure.com/.default');
    expectError(await ask({}), 401, 401002, /^Unauthorized$/);
    expectError(await ask({ authorization: `Bearer ${token}` }), 401, 401002, /Unauthorized/);
    expectError(
      await ask({ authorization: 'SharedAccessSignature sr=contoso-dps&sig=x&se=1&skn=y' }),
      401,
      401002,
      /Unauthorized/,
    );
    expectError(
      await ask({ host: host.replace('contoso', 'nobody'), authorization: `Bearer ${token}` }),
      401,
      401002,
      /Unauthorized/,
    );
    expect(fixture.log.slice(-4)).toEqual([
      expect.stringContaining('neither a bearer token nor a shared access signature'),
      expect.stringContaining('not a valid one for https://azure-devices-provisioning.net'),
      expect.stringContaining('has expired'),
      expect.stringContaining('no provisioning service answers to nobody-dps'),
    ]);
    for (const query of ['', '?api-version=2015-01-01']) {
      expect(await ask({ query })).toMatchObject({
        status: 400,
        body: {
          Message: expect.stringContaining('ErrorCode:ArgumentInvalid;Unknown api version'),
          ExceptionMessage: expect.any(String),
        },
      });
    }
  });

  it('every error of the catalogue is provoked here, or where devices are', () => {
    const ofDevices = [400205, 400206, 400207, 400208, 400209, 401001, 404203, 429001];
    const codes = dpsErrorNames.map((name) => new DpsError(name, '').code);
    expect(codes.filter((code) => !seen.has(code) && !ofDevices.includes(code))).toEqual([]);
  });
});
