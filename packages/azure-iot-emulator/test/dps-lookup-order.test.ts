import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Issued, issue } from './dps-certificates.ts';
import { type DeviceCredentials, type DpsFixture, groupOf, issueDevice, startDpsFixture } from './dps-fixture.ts';
import { callServiceApi, registerOverHttp } from './dps-wire.ts';

/** Root, region, line: a group may hang on each. */
describe('which enrollment decides, and how certificates are rolled', () => {
  let fixture: DpsFixture;
  let region: Issued;
  let line: Issued;

  beforeAll(async () => {
    fixture = await startDpsFixture();
    region = await issue({ commonName: 'Region', issuer: fixture.root, isAuthority: true });
    line = await issue({ commonName: 'Line', issuer: region, isAuthority: true });
  });
  afterAll(() => fixture.emulator.close());

  const put = async (path: string, body: unknown, isNew = false) => {
    const answer = await callServiceApi(fixture, {
      method: 'PUT',
      path,
      body,
      headers: isNew ? {} : { 'If-Match': '*' },
    });
    expect([path, answer.status]).toEqual([path, 200]);
  };
  const remove = (path: string) => callServiceApi(fixture, { method: 'DELETE', path });
  const device = (id: string) => issueDevice(id, [line, region, fixture.root]);
  /** The group that let the device in, `individual`, or the status of the refusal. */
  const decider = async (credentials: DeviceCredentials): Promise<unknown> => {
    const { status, body } = await registerOverHttp(fixture, credentials);
    if (status !== 200) return status;
    const { x509 } = (body as { registrationState: { x509: { enrollmentGroupId?: string } } }).registrationState;
    return x509.enrollmentGroupId ?? 'individual';
  };
  const individual = (certificates: Readonly<Record<'primary' | 'secondary', string | undefined>>, extra = {}) => ({
    attestation: {
      type: 'x509',
      x509: {
        clientCertificates: {
          ...(certificates.primary && { primary: { certificate: certificates.primary } }),
          ...(certificates.secondary && { secondary: { certificate: certificates.secondary } }),
        },
      },
    },
    ...extra,
  });

  it('ok: the first from leaf to root; a disabled one ends the search, a deleted one passes it on', async () => {
    const credentials = await device('walker');
    const rootGroup = { attestation: { type: 'x509', x509: { caReferences: { primary: 'root' } } } };
    expect(await decider(credentials)).toBe(401);
    await put('/enrollmentGroups/by-root', rootGroup, true);
    expect(await decider(credentials)).toBe('by-root');
    await put('/enrollmentGroups/by-region', groupOf('by-region', region), true);
    expect(await decider(credentials)).toBe('by-region');
    await put('/enrollmentGroups/by-line', groupOf('by-line', line), true);
    expect(await decider(credentials)).toBe('by-line');
    await put('/enrollments/walker', individual({ primary: credentials.cert, secondary: undefined }), true);
    expect(await decider(credentials)).toBe('individual');
    await put(
      '/enrollments/walker',
      individual({ primary: credentials.cert, secondary: undefined }, { provisioningStatus: 'disabled' }),
    );
    expect(await decider(credentials)).toBe(401);
    await remove('/enrollments/walker');
    await put('/enrollmentGroups/by-line', groupOf('by-line', line, { provisioningStatus: 'disabled' }));
    expect(await decider(credentials)).toBe(401);
    await remove('/enrollmentGroups/by-line');
    expect(await decider(credentials)).toBe('by-region');
    await remove('/enrollmentGroups/by-region');
    await remove('/enrollmentGroups/by-root');
    expect(await decider(credentials)).toBe(401);
  });

  it('ok: a device’s own certificate is rolled: both count meanwhile, then the new one alone', async () => {
    const [old, renewed] = await Promise.all([issueDevice('rolled', []), issueDevice('rolled', [])]);
    await put('/enrollments/rolled', individual({ primary: old.cert, secondary: undefined }), true);
    expect([await decider(old), await decider(renewed)]).toEqual(['individual', 401]);
    await put('/enrollments/rolled', individual({ primary: old.cert, secondary: renewed.cert }));
    expect([await decider(old), await decider(renewed)]).toEqual(['individual', 'individual']);
    const { x509Thumbprint } = fixture.emulator.hub(fixture.names.hub).twinOf('rolled') as {
      x509Thumbprint: { primaryThumbprint: string; secondaryThumbprint: string };
    };
    expect(x509Thumbprint.primaryThumbprint).not.toBe(x509Thumbprint.secondaryThumbprint);
    await put('/enrollments/rolled', individual({ primary: renewed.cert, secondary: undefined }));
    expect([await decider(old), await decider(renewed)]).toEqual([401, 'individual']);
  });

  it('ok: so is a group’s; fail: one certificate in two entries', async () => {
    const next = await issue({ commonName: 'Line', issuer: region, isAuthority: true });
    const group = (primary: Issued, secondary?: Issued) => ({
      attestation: {
        type: 'x509',
        x509: {
          signingCertificates: {
            primary: { certificate: primary.pem },
            ...(secondary && { secondary: { certificate: secondary.pem } }),
          },
        },
      },
    });
    const [old, renewed] = await Promise.all([
      issueDevice('of-old', [line, region]),
      issueDevice('of-next', [next, region]),
    ]);
    await put('/enrollmentGroups/rolling', group(line), true);
    expect([await decider(old), await decider(renewed)]).toEqual(['rolling', 401]);
    await put('/enrollmentGroups/rolling', group(line, next));
    expect([await decider(old), await decider(renewed)]).toEqual(['rolling', 'rolling']);
    const twice = await callServiceApi(fixture, { method: 'PUT', path: '/enrollmentGroups/other', body: group(next) });
    expect(twice).toMatchObject({ status: 409, body: { message: expect.stringContaining("'rolling'") } });
    await put('/enrollmentGroups/rolling', group(next));
    expect([await decider(old), await decider(renewed)]).toEqual([401, 'rolling']);
  });
});
